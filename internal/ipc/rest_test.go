package ipc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// resume makes a channel on the connection that another one was detached from,
// after its rest has gone through a document.
func (l *link) resume(t *testing.T, rest Rest) *link {
	t.Helper()
	document, err := json.Marshal(rest)
	if err != nil {
		t.Fatal(err)
	}
	rest = Rest{}
	if err := json.Unmarshal(document, &rest); err != nil {
		t.Fatal(err)
	}
	next := &link{peer: l.peer, delivered: make(chan Message, 10000), ended: make(chan error, 2)}
	next.channel = NewChannel(l.channel.conn, rest,
		func(m Message) { next.delivered <- m },
		func(err error) { next.ended <- err; close(next.delivered) }, func(Flood) {})
	t.Cleanup(func() { next.channel.Close(); next.channel.Wait() })
	return next
}

func (l *link) detach(t *testing.T) Rest {
	t.Helper()
	rest, err := l.channel.Detach()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-l.ended:
		t.Errorf("a detached channel has ended: %v", err)
	default:
	}
	if err := l.channel.Send(Ping{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Send after Detach: %v", err)
	}
	return rest
}

// TestDetachLosesNothing: whatever a worker says, in whatever pieces, one of two
// channels that follow each other hears it, once.
func TestDetachLosesNothing(t *testing.T) {
	long := strings.Repeat("long ", 2000)
	words := fmt.Sprintf(`{"n":0}
{"n":1}
{"n":2,"text":"%s"}
{"n":3}
`, long)
	for cut := 0; cut <= len(words); cut += 1 + cut/8 {
		l := newLink(t)
		l.write(t, words[:cut])
		waitRead(t, l)
		rest := l.detach(t)
		next := l.resume(t, rest)
		next.write(t, words[cut:])
		var heard []Message
		for len(l.delivered) > 0 {
			heard = append(heard, <-l.delivered)
		}
		for len(heard) < 4 {
			heard = append(heard, <-next.delivered)
		}
		for i, m := range heard {
			if want := fmt.Sprintf(`{"n":%d`, i); !strings.HasPrefix(string(m.(App).Data), want) {
				t.Fatalf("cut at %d: message %d is %.40s", cut, i, m.(App).Data)
			}
		}
		next.channel.Close()
		l.peer.Close()
	}
}

// waitRead returns when nothing that was written is unread in the kernel.
func waitRead(t *testing.T, l *link) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		waiting, err := unix.IoctlGetInt(int(l.peer.Fd()), unix.TIOCOUTQ)
		if err != nil || waiting == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the channel reads nothing")
		}
	}
}

// TestDetachWhileSending: the line that is on its way is finished by the channel
// that follows, and what waits behind it comes in its order.
func TestDetachWhileSending(t *testing.T) {
	l := newLink(t)
	text := strings.Repeat("x", 700<<10) // more than the socket takes
	for i := range 3 {
		if err := l.channel.Send(app(fmt.Sprintf(`{"n":%d,"text":"%s"}`, i, text))); err != nil {
			t.Fatal(err)
		}
	}
	l.channel.Send(State{Slot: 7})
	full := make([]byte, 1)
	if _, err := io.ReadFull(l.peer, full); err != nil { // it has begun
		t.Fatal(err)
	}
	rest := l.detach(t)
	next := l.resume(t, rest)
	read := NewReader(io.MultiReader(strings.NewReader(string(full)), l.peer))
	for i := range 3 {
		m, err := read.Next()
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`{"n":%d,`, i); !strings.HasPrefix(string(m.(App).Data), want) {
			t.Fatalf("message %d is %.40s", i, m.(App).Data)
		}
	}
	if m, err := read.Next(); err != nil || m.(State).Slot != 7 {
		t.Fatalf("the state: %v, %v", m, err)
	}
	if err := next.channel.Send(Ping{}); err != nil {
		t.Fatal(err)
	}
	if m, err := read.Next(); err != nil || m != (Ping{}) {
		t.Fatalf("after it: %v, %v", m, err)
	}
}

func TestDetachAfterTheEnd(t *testing.T) {
	l := newLink(t)
	l.peer.Close()
	<-l.ended
	if _, err := l.channel.Detach(); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}

// TestTornLine: the channel of a master that died may have read the beginning of
// a line. Its end is passed over, and only that.
func TestTornLine(t *testing.T) {
	l := newLink(t)
	next := l.resume(t, func() Rest { r := l.detach(t); r.Torn = true; return r }())
	next.write(t, `f of a line"}`+"\n"+`{"n":1}`+"\n"+`nonsense`+"\n")
	if m := <-next.delivered; string(m.(App).Data) != `{"n":1}` {
		t.Errorf("got %s", m.(App).Data)
	}
	if err := <-next.ended; !errors.Is(err, ErrNotJSON) {
		t.Errorf("ended with %v, want ErrNotJSON", err)
	}
}

// TestRestCounts: what was not sent when a channel was detached counts against the
// queue of the next one.
func TestRestCounts(t *testing.T) {
	ours, theirs := net.Pipe() // nobody reads: of what waits one line at most is taken out
	defer theirs.Close()
	const lines = 100
	line := append(bytes.Repeat([]byte("x"), maxQueued/lines-lineCost-1), '\n')
	c := NewChannel(ours, Rest{Unsent: slices.Repeat([][]byte{line}, lines)}, func(Message) {}, func(error) {},
		func(Flood) {})
	defer func() { c.Close(); c.Wait() }()
	if err := c.Send(Status{Text: strings.Repeat("y", 2*len(line))}); !errors.Is(err, ErrFull) {
		t.Errorf("Send: %v, want %v", err, ErrFull)
	}
}
