package ipc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// link is a Channel on a real socketpair; the test plays the worker with peer.
type link struct {
	channel   *Channel
	peer      *os.File
	delivered chan Message
	ended     chan error
}

func newLink(t *testing.T) *link {
	t.Helper()
	master, worker, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	l := &link{peer: worker, delivered: make(chan Message, 10000), ended: make(chan error, 2)}
	l.channel = NewChannel(master, Rest{},
		func(m Message) { l.delivered <- m },
		func(err error) { l.ended <- err; close(l.delivered) }, func(Flood) {})
	t.Cleanup(func() {
		l.channel.Close()
		l.channel.Wait()
		l.peer.Close()
	})
	return l
}

func (l *link) write(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(l.peer, text); err != nil {
		t.Fatal(err)
	}
}

// read returns the next n messages that reach the worker.
func (l *link) read(t *testing.T, n int) (all []Message) {
	t.Helper()
	r := NewReader(l.peer)
	for range n {
		m, err := r.Next()
		if err != nil {
			t.Fatalf("after %d messages: %v", len(all), err)
		}
		all = append(all, m)
	}
	return all
}

func TestPair(t *testing.T) {
	master, worker, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer worker.Close()
	for name, c := range map[string]struct {
		file     *os.File
		nonblock bool
	}{"master's end": {master, true}, "worker's end": {worker, false}} {
		fd := int(c.file.Fd())
		status, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil || (status&unix.O_NONBLOCK != 0) != c.nonblock {
			t.Errorf("%s: flags %#x, %v, want non-blocking %v", name, status, err, c.nonblock)
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: stays open on exec (%#x, %v)", name, flags, err)
		}
	}
}

func TestChannelBothWays(t *testing.T) {
	l := newLink(t)
	for _, c := range onTheWire {
		l.write(t, c.text+"\r\n")
		if got := receive(t, l.delivered, c.text); !reflect.DeepEqual(got, c.message) {
			t.Errorf("%s arrived as %#v", c.text, got)
		}
		if err := l.channel.Send(c.message); err != nil {
			t.Fatal(err)
		}
		if got := l.read(t, 1); !reflect.DeepEqual(got[0], c.message) {
			t.Errorf("%#v arrived as %#v", c.message, got[0])
		}
	}
}

func TestChannelKeepsOrder(t *testing.T) {
	l := newLink(t)
	const many = 5000
	for i := range many {
		if err := l.channel.Send(app(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	for i, m := range l.read(t, many) {
		if string(m.(App).Data) != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, m.(App).Data)
		}
	}
}

func TestChannelTinyWrites(t *testing.T) {
	l := newLink(t)
	const text = "{\"relevo\":\"status\",\"text\":\"ok\"}\n"
	go func() {
		for i := range 50 * len(text) {
			if _, err := l.peer.Write([]byte{text[i%len(text)]}); err != nil {
				return
			}
		}
	}()
	for range 50 {
		if got := receive(t, l.delivered, "a status"); got != (Status{Text: "ok"}) {
			t.Fatalf("got %#v", got)
		}
	}
}

// fill sends messages of the given size until the channel is full.
func (l *link) fill(t *testing.T, size int) (sent int) {
	t.Helper()
	for {
		text := fmt.Sprintf("%0*d", size, sent)
		err := l.channel.Send(app(`"` + text + `"`))
		if errors.Is(err, ErrFull) {
			return sent
		}
		if err != nil || sent > 1e6 {
			t.Fatalf("after %d messages: %v", sent, err)
		}
		sent++
	}
}

// TestSendNeverBlocks: against a worker that never reads, Send comes back from
// the writer's backlog with ErrFull, State stays the newest one, and nothing of
// what was taken is lost or out of order once the worker reads.
func TestSendNeverBlocks(t *testing.T) {
	for _, size := range []int{10, 1000, 100_000} {
		t.Run(fmt.Sprint(size, " bytes"), func(t *testing.T) {
			l := newLink(t)
			sent := l.fill(t, size)
			if sent > 150_000 {
				t.Errorf("%d messages of %d bytes were taken: each costs memory beside its bytes", sent, size)
			}
			const inSocket = 1 << 20 // more than a socket's buffer takes
			if bytes := sent * (size + 3 + lineCost); bytes > maxQueued+inSocket || bytes < maxQueued-size-3-lineCost {
				t.Errorf("%d messages of %d bytes were taken, %d bytes in all", sent, size, bytes)
			}
			for i := range 1000 {
				if err := l.channel.Send(State{Generation: i}); err != nil {
					t.Fatalf("state %d: %v", i, err)
				}
			}
			got := l.read(t, sent+1)
			for i, m := range got[:sent] {
				if want := fmt.Sprintf(`"%0*d"`, size, i); string(m.(App).Data) != want {
					t.Fatalf("message %d is %.40s", i, m.(App).Data)
				}
			}
			if state, ok := got[sent].(State); !ok || state.Generation != 999 {
				t.Errorf("after the application's messages came %#v, want the newest state", got[sent])
			}
			l.channel.mu.Lock()
			if l.channel.queue != nil || l.channel.queued != 0 || l.channel.state != nil {
				t.Errorf("the queue keeps its memory when all is sent: %d lines, %d bytes", cap(l.channel.queue), l.channel.queued)
			}
			l.channel.mu.Unlock()
			if err := l.channel.Send(app("1")); err != nil {
				t.Errorf("a worker that reads again gets nothing: %v", err)
			}
		})
	}
}

func TestChannelConcurrentSend(t *testing.T) {
	l := newLink(t)
	const senders, each = 8, 300
	var all sync.WaitGroup
	for sender := range senders {
		all.Go(func() {
			for i := range each {
				if err := l.channel.Send(app(fmt.Sprintf("[%d,%d]", sender, i))); err != nil {
					t.Error(err)
				}
				if err := l.channel.Send(State{Generation: i}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	next := map[int]int{}
	r := NewReader(l.peer)
	for got := 0; got < senders*each; {
		m, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if text, isApp := m.(App); isApp {
			var sender, i int
			if _, err := fmt.Sscanf(string(text.Data), "[%d,%d]", &sender, &i); err != nil || next[sender] != i {
				t.Fatalf("%s came when %d was next: %v", text.Data, next[sender], err)
			}
			next[sender]++
			got++
		}
	}
	all.Wait()
}

// TestChannelClose closes with a writer that is stuck and a reader that waits.
func TestChannelClose(t *testing.T) {
	l := newLink(t)
	l.fill(t, 1000)
	if err := l.channel.Close(); err != nil {
		t.Error(err)
	}
	if err := l.channel.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
	gone := make(chan struct{})
	go func() { l.channel.Wait(); close(gone) }()
	receive(t, gone, "the goroutines' end")
	if err := receive(t, l.ended, "the end"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("ended with %v, want os.ErrClosed", err)
	}
	if len(l.ended) != 0 {
		t.Error("ended was called twice")
	}
	for _, m := range []Message{app("1"), State{}, Drain{}} {
		if err := l.channel.Send(m); !errors.Is(err, ErrClosed) {
			t.Errorf("Send(%T) after Close: %v, want ErrClosed", m, err)
		}
	}
}

func TestChannelSendRefuses(t *testing.T) {
	l := newLink(t)
	if err := l.channel.Send(app(`{"relevo":"ready"}`)); !errors.Is(err, ErrReserved) {
		t.Errorf("got %v, want ErrReserved", err)
	}
	if err := l.channel.Send(app(`"` + strings.Repeat("x", MaxLine) + `"`)); !errors.Is(err, ErrLineTooLong) {
		t.Errorf("got %v, want ErrLineTooLong", err)
	}
	if err := l.channel.Send(app("1")); err != nil { // and is none the worse for it
		t.Error(err)
	}
	l.read(t, 1)
}
