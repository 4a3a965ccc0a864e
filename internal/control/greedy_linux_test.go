package control_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/control"
	"relevo/pool"
)

// loud is a master that has one large event for each reader.
type loud struct{ *master }

func (l loud) Subscribe() (<-chan pool.Event, func(), error) {
	events := make(chan pool.Event, 1)
	events <- pool.Event{Kind: pool.KindMessage, Data: json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)}
	return events, func() {}, nil
}

// serveGreedy serves with other patience, and returns the socket's path.
func serveGreedy(t *testing.T, m control.Master, event, body time.Duration) (path string) {
	t.Helper()
	path = place(t)
	s, err := control.Listen(path, m, discard())
	if err != nil {
		t.Fatal(err)
	}
	control.SetServerPatience(s, event, body)
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		s.Close()
		within(t, served)
	})
	return path
}

// begin sends the beginning of a request, and nothing more.
func begin(t *testing.T, path, text string) *net.UnixConn {
	t.Helper()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// Of many readers of events that do not read only so many are written to at a time; the
// others are cut off, and one that reads gets its events.
func TestDeafReadersAreCutOff(t *testing.T) {
	path := serveGreedy(t, loud{newMaster()}, 20*time.Millisecond, tooLong)
	const more = 8
	var deaf []unix.PollFd
	for range control.EventWrites + more {
		conn := begin(t, path, "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
		raw, err := conn.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) { deaf = append(deaf, unix.PollFd{Fd: int32(fd)}) })
	}
	for deadline := time.Now().Add(tooLong); ; time.Sleep(time.Millisecond) {
		if n, _ := unix.Poll(deaf, 0); n >= more { // hung up
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("deaf readers are not cut off")
		}
	}
	// No other one waits now that would have it cut off on a slow machine.
	client, err := control.Connect(soon(t), path)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := client.Events(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if e, _, err := stream.Next(); err != nil || len(e.Data) < 1<<20 {
		t.Fatalf("a reader among deaf ones got %d bytes, %v", len(e.Data), err)
	}
}

// unreadBy is how many bytes the other end has not read.
func unreadBy(t *testing.T, conn *net.UnixConn) (n int) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Only so many large bodies are read at a time, and commands do not wait for them.
func TestLargeBodiesWait(t *testing.T) {
	m := newMaster()
	path := serveGreedy(t, m, tooLong, tooLong)
	large := "POST /v1/send HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + `{"data":"` +
		string(bytes.Repeat([]byte("x"), 90_000))
	var slow []*net.UnixConn
	for range control.LargeBodies + 20 {
		slow = append(slow, begin(t, path, large))
	}
	client, err := control.Connect(soon(t), path)
	if err != nil {
		t.Fatal(err)
	}
	for ; len(slow) >= control.LargeBodies; slow = gone(t, slow) {
		for deadline := time.Now().Add(tooLong); ; time.Sleep(time.Millisecond) {
			taken := len(slow)
			for _, conn := range slow {
				if unreadBy(t, conn) > 0 {
					taken--
				}
			}
			if taken > control.LargeBodies {
				t.Fatalf("%d large bodies are read at a time", taken)
			}
			if taken == control.LargeBodies {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d large bodies are read, want %d", taken, control.LargeBodies)
			}
		}
		if _, err := client.Scale(soon(t), "2"); err != nil {
			t.Fatalf("a command beside them: %v", err)
		}
	}
}

// gone closes a connection whose body is being read.
func gone(t *testing.T, slow []*net.UnixConn) (rest []*net.UnixConn) {
	for i, conn := range slow {
		if unreadBy(t, conn) == 0 {
			conn.Close()
			return append(append(rest, slow[:i]...), slow[i+1:]...)
		}
	}
	return slow
}

// A body that does not come is not waited for without end; what takes long afterwards is.
func TestBodyThatDoesNotCome(t *testing.T) {
	path := serveGreedy(t, newMaster(), tooLong, 20*time.Millisecond)
	for _, length := range []int{20, 1_000_000} {
		conn := begin(t, path, fmt.Sprintf("POST /v1/send HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{", length))
		conn.SetDeadline(time.Now().Add(tooLong))
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.Contains(string(answer), "cannot read the request") {
			t.Errorf("a body of %d bytes: %q, %v", length, answer, err)
		}
	}
}
