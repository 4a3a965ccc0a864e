// Package journal writes to systemd's journal in its own protocol, so that each line carries
// fields: of which app it is, and of which slot, generation and worker.
//
// See systemd.io/JOURNAL_NATIVE_PROTOCOL: one datagram is one entry, a field is NAME=VALUE and a
// newline; or, where the value has a newline, NAME, a newline, the length in 64 bits, little
// endian, and the value.
package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// Socket is where the journal receives entries.
const Socket = "/run/systemd/journal/socket"

// Field is a field of an entry. Names have capital letters, digits and _.
type Field struct{ Name, Value string }

// Journal sends entries. It is safe for concurrent use.
type Journal struct {
	socket string

	mu   sync.Mutex
	conn *net.UnixConn // nil: the next entry connects
}

// Of returns the journal that receives what is written to all of these files; nil if it does not.
// systemd says so in JOURNAL_STREAM (systemd.exec(5)).
func Of(getenv func(string) string, socket string, files ...*os.File) *Journal {
	stream := getenv("JOURNAL_STREAM")
	if stream == "" {
		return nil
	}
	for _, file := range files {
		info, err := file.Stat()
		if err != nil {
			return nil
		}
		is, ok := info.Sys().(*syscall.Stat_t)
		if !ok || fmt.Sprintf("%d:%d", is.Dev, is.Ino) != stream {
			return nil
		}
	}
	return &Journal{socket: socket}
}

// Send sends an entry. It waits while the journal has no room, as a write to the journal's stream
// does.
func (j *Journal) Send(fields ...[]byte) error {
	conn, err := j.connected(nil)
	if err != nil {
		return err
	}
	entry := bytes.Join(fields, nil)
	if _, err = conn.Write(entry); err == nil {
		return nil
	}
	// A journal that was started again has another socket.
	if conn, err = j.connected(conn); err == nil {
		_, err = conn.Write(entry)
	}
	return err
}

// connected returns the connection, and a new one where it is the one that has failed.
func (j *Journal) connected(failed *net.UnixConn) (*net.UnixConn, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.conn != nil && j.conn != failed {
		return j.conn, nil
	}
	if j.conn != nil {
		j.conn.Close()
		j.conn = nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: j.socket, Net: "unixgram"})
	if err == nil {
		j.conn = conn
	}
	return conn, err
}

// Encode writes fields as they stand in an entry.
func Encode(fields ...Field) (text []byte) {
	for _, f := range fields {
		text = append(text, f.Name...)
		if bytes.IndexByte([]byte(f.Value), '\n') < 0 {
			text = append(text, '=')
		} else {
			text = binary.LittleEndian.AppendUint64(append(text, '\n'), uint64(len(f.Value)))
		}
		text = append(append(text, f.Value...), '\n')
	}
	return text
}

// Lines sends each line of a stream as an entry. One goroutine uses it.
type Lines struct {
	To     *Journal
	Fields []byte // of each entry, encoded
	Begun  []byte // beginning of the next line
	Lost   func(line []byte)
}

// maxLine is the most of a line that an entry has; the rest becomes the next entry. It is the
// journal's own limit for streams (LineMax=).
const maxLine = 48 << 10

// Write never fails: lines that the journal does not take go to Lost.
func (l *Lines) Write(b []byte) (int, error) {
	n := len(b)
	for {
		line, rest, found := bytes.Cut(b, []byte("\n"))
		for len(l.Begun)+len(line) > maxLine {
			piece := maxLine - len(l.Begun)
			l.Begun = append(l.Begun, line[:piece]...)
			l.send()
			line = line[piece:]
		}
		l.Begun = append(l.Begun, line...)
		if !found {
			return n, nil
		}
		l.send()
		b = rest
	}
}

func (l *Lines) send() {
	priority, line := prioritized(l.Begun)
	if len(line) > 0 { // the journal leaves empty lines of a stream out
		message := Encode(Field{"PRIORITY", strconv.Itoa(priority)}, Field{"MESSAGE", string(line)})
		if err := l.To.Send(l.Fields, message); err != nil {
			l.Lost(append(line, '\n'))
		}
	}
	l.Begun = l.Begun[:0]
}

// informational is the priority of lines that name none.
const informational = 6

// prioritized takes the level from the beginning of a line (sd-daemon(3)), as the journal does
// with streams.
func prioritized(line []byte) (priority int, rest []byte) {
	if len(line) >= 3 && line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>' {
		return int(line[1] - '0'), line[3:]
	}
	return informational, line
}

// Flush ends a begun line, because the process has ended.
func (l *Lines) Flush() { l.send() }

// Take returns the begun line, which the next master continues.
func (l *Lines) Take() []byte {
	begun := l.Begun
	l.Begun = nil
	return begun
}

// Sync has nothing to wait for: Write has sent.
func (l *Lines) Sync() {}
