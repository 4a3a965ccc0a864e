package journal_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	. "relevo/internal/journal"
)

// receive listens as the journal does.
func receive(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	socket.SetReadDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { socket.Close() })
	return socket
}

// entry reads an entry as the format's description says.
func entry(t *testing.T, from *net.UnixConn) map[string]string {
	t.Helper()
	datagram := make([]byte, 256<<10)
	n, err := from.Read(datagram)
	if err != nil {
		t.Fatal(err)
	}
	fields, rest := map[string]string{}, datagram[:n]
	for len(rest) > 0 {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		if !found {
			t.Fatalf("%q does not end", rest)
		}
		name, value, isText := strings.Cut(string(line), "=")
		if !isText {
			length := binary.LittleEndian.Uint64(after)
			value, after = string(after[8:8+length]), after[8+length:]
			if after[0] != '\n' {
				t.Fatalf("%q does not end", after)
			}
			after = after[1:]
		}
		fields[name], rest = value, after
	}
	return fields
}

// stream is a file that JOURNAL_STREAM names.
func stream(t *testing.T) (file *os.File, getenv func(string) string) {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	info, _ := file.Stat()
	is := info.Sys().(*syscall.Stat_t)
	return file, func(string) string { return fmt.Sprintf("%d:%d", is.Dev, is.Ino) }
}

// TestLines: whole lines become entries with all fields, however they are written.
func TestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	file, getenv := stream(t)
	socket := receive(t, path)
	l := &Lines{To: Of(getenv, path, file, file), Fields: Encode(Field{"RELEVO_APP", "web"}, Field{"RELEVO_SLOT", "0"}),
		Begun: []byte("be"), Lost: func(line []byte) { t.Errorf("lost %q", line) }}
	check := func(priority, message string) {
		t.Helper()
		want := map[string]string{"RELEVO_APP": "web", "RELEVO_SLOT": "0", "PRIORITY": priority, "MESSAGE": message}
		if got := entry(t, socket); !reflect.DeepEqual(got, want) {
			t.Errorf("got %.200q, want %.200q", got, want)
		}
	}
	fmt.Fprint(l, "gun\n\n<3>an err")
	check("6", "begun")
	fmt.Fprint(l, "or=\xff\x00\n<8>text\nrest")
	check("3", "an error=\xff\x00")
	check("6", "<8>text")
	if begun := l.Take(); string(begun) != "rest" {
		t.Errorf("%q is begun", begun)
	}
	fmt.Fprint(l, strings.Repeat("x", 100<<10)+"\nlast")
	for _, length := range []int{48 << 10, 48 << 10, 4 << 10} {
		check("6", strings.Repeat("x", length))
	}
	l.Flush()
	check("6", "last")
	l.Flush()
	socket.Close()
	os.Remove(path)
	socket = receive(t, path)
	fmt.Fprintln(l, "to another journal")
	check("6", "to another journal")
}

// TestLost: what no journal takes is not lost.
func TestLost(t *testing.T) {
	file, getenv := stream(t)
	var lost []string
	l := &Lines{To: Of(getenv, filepath.Join(t.TempDir(), "none"), file),
		Lost: func(line []byte) { lost = append(lost, string(line)) }}
	n, err := fmt.Fprint(l, "one\n<4>two\n")
	if n != 11 || err != nil || !reflect.DeepEqual(lost, []string{"one\n", "two\n"}) {
		t.Errorf("%d %v %q", n, err, lost)
	}
}

// TestOf: the journal is used only where every file goes there.
func TestOf(t *testing.T) {
	file, getenv := stream(t)
	other, _ := stream(t)
	if Of(getenv, "", file, file) == nil || Of(getenv, "", file, other) != nil ||
		Of(func(string) string { return "" }, "", file) != nil {
		t.Error("it is used for other files, or not for its own")
	}
}

// TestFieldWithNewline: a value with a newline is written by its length.
func TestFieldWithNewline(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	file, getenv := stream(t)
	socket := receive(t, path)
	if err := Of(getenv, path, file).Send(Encode(Field{"A", "one\ntwo"}, Field{"B", "three"})); err != nil {
		t.Fatal(err)
	}
	if got := entry(t, socket); !reflect.DeepEqual(got, map[string]string{"A": "one\ntwo", "B": "three"}) {
		t.Errorf("%q", got)
	}
}
