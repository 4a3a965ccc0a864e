package ipc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestPeerDeath: what a dying worker has said is delivered first, then the end.
func TestPeerDeath(t *testing.T) {
	for name, unread := range map[string]bool{"all read": false, "with messages unread": true} {
		t.Run(name, func(t *testing.T) {
			l := newLink(t)
			if unread {
				l.fill(t, 1000)
			}
			l.write(t, "1\n{\"relevo\":\"drained\"}\n{\"torn")
			l.peer.Close()
			if got := receive(t, l.delivered, "the first word"); !reflect.DeepEqual(got, app("1")) {
				t.Errorf("got %#v", got)
			}
			if got := receive(t, l.delivered, "the last word"); got != (Drained{}) {
				t.Errorf("got %#v", got)
			}
			if err := receive(t, l.ended, "the end"); err != io.EOF && !(unread && errors.Is(err, syscall.ECONNRESET)) {
				t.Errorf("ended with %v", err)
			}
			l.channel.Wait() // needs no Close: the end closes
			if err := l.channel.Send(app("1")); !errors.Is(err, ErrClosed) {
				t.Errorf("Send to a dead worker: %v, want ErrClosed", err)
			}
		})
	}
}

// TestLastWords: a worker that dies while messages wait for it is heard to the
// end, although the master cannot write any more.
func TestLastWords(t *testing.T) {
	master, worker, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	const words = 20 // more than a Reader has in its buffer
	text := strings.Repeat("x", 4000)
	for range words {
		fmt.Fprintf(worker, "%q\n", text)
	}
	var c *Channel
	made, heard, ended := make(chan struct{}), 0, make(chan error, 1)
	c = NewChannel(master, Rest{}, func(Message) {
		<-made
		for heard == 0 && c.Send(app(`"`+text+`"`)) != ErrClosed { // until the writer has noticed
			runtime.Gosched()
		}
		heard++
	}, func(err error) { ended <- err }, func(Flood) {})
	worker.Close()
	close(made)
	if err := receive(t, ended, "the end"); err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("ended with %v", err)
	}
	if heard != words {
		t.Errorf("%d of the last %d words were heard", heard, words)
	}
	c.Wait()
}

// TestDeafWorker: who ends reading cannot be sent anything, and may still talk.
func TestDeafWorker(t *testing.T) {
	l := newLink(t)
	if err := unix.Shutdown(int(l.peer.Fd()), unix.SHUT_RD); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(tooLong); l.channel.Send(app("1")) != ErrClosed; {
		if time.Now().After(deadline) {
			t.Fatal("Send goes on to a worker that ended reading")
		}
	}
	l.write(t, "{\"relevo\":\"ready\"}\n")
	if got := receive(t, l.delivered, "its word"); got != (Ready{}) {
		t.Errorf("got %#v", got)
	}
}

// TestBrokenPeer: a line that is no message, or has no end, closes the channel
// for the worker too.
func TestBrokenPeer(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"garbage":      {"GET / HTTP/1.1\r\n\r\n", `cannot read "GET / HTTP/1.1"`},
		"binary":       {"\x00\x01\xff\n", "not one JSON value"},
		"2 MiB":        {`"` + strings.Repeat("x", 2<<20) + "\"\n", "longer than 1 MiB"},
		"no line ends": {strings.Repeat("x", 2<<20), "longer than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLink(t)
			l.write(t, "{\"relevo\":\"ready\"}\n")
			wrote := make(chan error, 1)
			go func() {
				_, err := io.WriteString(l.peer, c.text)
				wrote <- err
			}()
			if got := receive(t, l.delivered, "what was sound"); got != (Ready{}) {
				t.Errorf("got %#v", got)
			}
			if err := receive(t, l.ended, "the end"); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("ended with %v, want one that says %q", err, c.says)
			}
			if err := receive(t, wrote, "the worker's write"); err != nil &&
				!errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
				t.Error(err)
			}
			if rest, err := io.ReadAll(l.peer); len(rest) > 0 || (err != nil && !errors.Is(err, syscall.ECONNRESET)) {
				t.Errorf("the worker reads %q, %v, want the end of the channel", rest, err)
			}
			l.channel.Wait()
		})
	}
}

// TestHalfClosed: a worker that only stops writing gets the end too.
func TestHalfClosed(t *testing.T) {
	l := newLink(t)
	if err := unix.Shutdown(int(l.peer.Fd()), unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, l.ended, "the end"); err != io.EOF {
		t.Errorf("ended with %v, want EOF", err)
	}
	if rest, err := io.ReadAll(bufio.NewReader(l.peer)); len(rest) > 0 || err != nil {
		t.Errorf("the worker reads %q, %v", rest, err)
	}
}

// TestDeliverMaySend: the receiver of a message may answer it at once.
func TestDeliverMaySend(t *testing.T) {
	master, worker, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close()
	var c *Channel
	known := make(chan struct{})
	c = NewChannel(master, Rest{}, func(m Message) {
		<-known
		if err := c.Send(m); err != nil {
			t.Error(err)
		}
	}, func(error) {}, func(Flood) {})
	close(known)
	defer c.Wait()
	defer c.Close()
	line := []byte("[\"echo\"]\n")
	worker.Write(line)
	answer := make([]byte, len(line))
	if _, err := io.ReadFull(worker, answer); err != nil || !bytes.Equal(answer, line) {
		t.Errorf("got %q, %v", answer, err)
	}
}
