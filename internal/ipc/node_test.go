package ipc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// nodeLink is a channel to a Node worker on a net.Pipe; to be used in a synctest bubble.
type nodeLink struct {
	channel   *Channel
	peer      net.Conn
	heard     []string
	passed    []LineError
	ended     error
	deliverAt []time.Duration
}

func isNodes(line []byte) bool { return bytes.Contains(line, []byte("NODE_")) }

func newNodeLink(rest Rest) *nodeLink {
	ours, theirs := net.Pipe()
	return nodeLinkOn(ours, theirs, rest)
}

func nodeLinkOn(ours, theirs net.Conn, rest Rest) *nodeLink {
	l := &nodeLink{peer: theirs}
	began := time.Now()
	node := Node{Internal: isNodes, PassedOver: func(e *LineError) { l.passed = append(l.passed, *e) }}
	l.channel = NewNodeChannel(ours, rest, node, func(m Message) {
		text := fmt.Sprintf("%T", m)
		if app, is := m.(App); is {
			text = string(app.Data)
		}
		l.heard, l.deliverAt = append(l.heard, text), append(l.deliverAt, time.Since(began))
	}, func(err error) { l.ended = err }, func(Flood) {})
	return l
}

func (l *nodeLink) close() {
	l.channel.Close()
	l.channel.Wait()
	l.peer.Close()
}

// What a Node worker says that cannot be read is passed over, and what comes later is heard.
func TestNodeChannelPassesOver(t *testing.T) {
	deep := strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)
	long := `{"cmd":"NODE_HANDLE","msg":"` + strings.Repeat("x", 3*MaxLine) + `"}`
	for _, c := range []struct {
		name, line string
		err        error
	}{
		{"longer than 1 MiB", long, ErrLineTooLong},
		{"one byte over", `"` + strings.Repeat("x", MaxLine-1) + `"`, ErrLineTooLong},
		{"no JSON", "console output", ErrNotJSON},
		{"NUL bytes", "\x00\x00{}\x00", ErrNotJSON},
		{"nested too deep", deep, ErrNotJSON},
		{"not UTF-8", "\xff\xfe", ErrNotJSON},
		{"a word of ours with a wrong value", `{"relevo":"status","text":[5]}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newNodeLink(Rest{})
				fmt.Fprintf(l.peer, "1\n%s\n2\n", c.line)
				synctest.Wait()
				time.Sleep(time.Minute) // of the bubble's clock: for the limit
				synctest.Wait()
				if !slices.Equal(l.heard, []string{"1", "2"}) || l.ended != nil {
					t.Errorf("heard %.80q, ended: %v", l.heard, l.ended)
				}
				if len(l.passed) != 1 || l.passed[0].Size != int64(len(c.line)) || !errors.Is(&l.passed[0], c.err) && c.err != nil {
					t.Fatalf("passed over: %+v", l.passed)
				}
				if begin := string(l.passed[0].Begin); begin != c.line[:min(len(c.line), maxBegin)] {
					t.Errorf("it began with %q", begin)
				}
				l.peer.Close()
				synctest.Wait()
				if l.ended != io.EOF {
					t.Errorf("ended: %v", l.ended)
				}
				l.close()
			})
		})
	}
}

// A line without an end takes no memory and, in the long run, little of the processor.
func TestNodeChannelEndlessLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newNodeLink(Rest{})
		began := time.Now()
		junk := bytes.Repeat([]byte("x"), 1<<20)
		const size = 256 << 20
		for range size / len(junk) {
			if _, err := l.peer.Write(junk); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < time.Second {
			t.Errorf("256 MiB were read in %v", took)
		}
		if n := cap(l.channel.lines.long); n > 0 {
			t.Errorf("%d bytes are kept", n)
		}
		l.close()
	})
}

// What Node and relevo say to each other does not wait for what the program has said before
// over its limit, which is heard later, in its order.
func TestNodeChannelOvertakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newNodeLink(Rest{})
		const all = channelBurst + 10*channelRate
		for n := range all {
			fmt.Fprintln(l.peer, n)
		}
		fmt.Fprintln(l.peer, `{"cmd":"NODE_CLUSTER"}`)
		fmt.Fprintln(l.peer, `{"relevo":"ready"}`)
		time.Sleep(time.Minute)
		synctest.Wait()
		var program []string
		for i, text := range l.heard {
			if text != `{"cmd":"NODE_CLUSTER"}` && text != "ipc.Ready" {
				program = append(program, text)
			} else if l.deliverAt[i] > time.Second {
				t.Errorf("%s is heard after %v", text, l.deliverAt[i])
			}
		}
		if len(program) != all || len(l.heard) != all+2 {
			t.Fatalf("%d messages of the program, %d of all", len(program), len(l.heard))
		}
		for n, text := range program {
			if text != fmt.Sprint(n) {
				t.Fatalf("message %d is %s", n, text)
			}
		}
		if last := l.deliverAt[len(l.deliverAt)-1].Round(time.Second); last != 10*time.Second {
			t.Errorf("the last is heard after %v, want 10s", last)
		}
		l.close()
	})
}

// The backlog is bounded: a program that says more has its writes wait.
func TestNodeChannelBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newNodeLink(Rest{})
		written := 0
		go func() {
			for written < 2*maxQueued/lineCost {
				if _, err := fmt.Fprintln(l.peer, written); err != nil {
					return
				}
				written++
			}
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if most := maxQueued/lineCost + channelBurst + 2*channelRate; written > most {
			t.Errorf("%d messages were read, want at most %d", written, most)
		}
		l.close()
	})
}

// What waits is heard by the next channel, and at the end of the worker.
func TestNodeChannelDetach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		l := nodeLinkOn(ours, theirs, Rest{})
		const all = 3 * channelBurst
		for n := range all {
			fmt.Fprintln(theirs, n)
		}
		io.WriteString(theirs, strings.Repeat("x", MaxLine+5000)) // and no newline
		synctest.Wait()
		rest, err := l.channel.Detach()
		if err != nil {
			t.Fatal(err)
		}
		if len(l.heard) < channelBurst || len(l.heard) > 2*channelBurst || l.ended != nil {
			t.Fatalf("%d messages are heard before, ended: %v", len(l.heard), l.ended)
		}
		between := nodeLinkOn(ours, theirs, rest) // it hears a part of what was left
		synctest.Wait()
		if rest, err = between.channel.Detach(); err != nil {
			t.Fatal(err)
		}
		next := nodeLinkOn(ours, theirs, rest)
		io.WriteString(theirs, "xx\n\"last\"\n")
		theirs.Close()
		time.Sleep(time.Minute)
		synctest.Wait()
		heard := slices.Concat(l.heard, between.heard, next.heard)
		if len(heard) != all+1 || heard[all-1] != fmt.Sprint(all-1) || heard[all] != `"last"` || next.ended != io.EOF {
			t.Errorf("%d messages are heard, ended: %v", len(heard), next.ended)
		}
		if len(next.passed) > 0 {
			t.Errorf("the end of a line is told: %+v", next.passed)
		}
		next.close()
	})
}
