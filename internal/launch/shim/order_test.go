package shim

import (
	"errors"
	"reflect"
	"sync"
	"syscall"
	"testing"

	"relevo/internal/whole"
)

func filled() Order {
	nice, score, mask := -5, -500, 0o27
	return Order{Path: "/bin/sleep", FD: 7, Args: []string{"sleep", "", "60"}, Env: []string{"A=b", "LANG=ä"}, Dir: "/",
		DirFD: 8, ListenPID: true, Watchdog: true, Capture: true, Keep: 5, Calls: Calls{CloseRange: 436, Execveat: 322},
		Limits: Limits{Rlimits: []Rlimit{{"nofile", 7, 1024, Unlimited}, {"bananas", -1, 0, 0}},
			Nice: &nice, OOMScoreAdj: &score, Umask: &mask, DefaultOOMScoreAdj: &score,
			Account: &Account{Name: "web", UID: 1000, GID: 1001, Groups: []int{4, 1<<32 - 2}}}}
}

func read(written []byte) (o Order, ok bool) {
	c := coder{reading: true, rest: written}
	o.fields(&c)
	return o, !c.failed
}

// TestOrder: what is written is read, all fields of it. An order that is cut off anywhere is none.
func TestOrder(t *testing.T) {
	order := filled()
	for _, part := range []any{&order, &order.Limits, &order.Calls} {
		if names := whole.Missing(part); len(names) > 0 {
			t.Errorf("filled sets no %v of %T", names, part)
		}
	}
	bytes := order.Bytes()
	if got, ok := read(bytes); !ok || !reflect.DeepEqual(got, filled()) {
		t.Errorf("%v %+v", ok, got)
	}
	for n := range bytes {
		if got, ok := read(bytes[:n]); ok {
			t.Errorf("%d of %d bytes are read as %+v", n, len(bytes), got)
		}
	}
}

// TestOrderIsShared: workers that start at the same time share the lists of their orders, so an order
// is written without a write to it. The race detector is what fails.
func TestOrderIsShared(t *testing.T) {
	order := filled()
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() { order.Bytes() })
	}
	writers.Wait()
}

// FuzzOrder: no order makes the shim panic, or take memory that it was not sent.
func FuzzOrder(f *testing.F) {
	f.Add(filled().Bytes())
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 127})
	f.Fuzz(func(t *testing.T, bytes []byte) {
		if o, ok := read(bytes); ok && len(o.Bytes()) > len(bytes) {
			t.Errorf("of %d bytes: %+v", len(bytes), o)
		}
	})
}

// TestAnswer: the words of a shim, and what they mean.
func TestAnswer(t *testing.T) {
	failure := &Failure{Step: "run", Path: "/bin/x", Errno: syscall.ENOEXEC, Advice: "do not"}
	for name, test := range map[string]struct {
		said string
		want Answer
	}{
		"the shim died":       {"", Answer{}},
		"run by descriptor":   {"x", Answer{Ran: true}},
		"run by path":         {"p", Answer{Ran: true, ByPath: true}},
		"run by path at last": {"xp", Answer{Ran: true, ByPath: true}},
		"not run":             {"x" + string(failure.bytes()), Answer{Failure: failure}},
		"not run by path":     {"xp" + string(failure.bytes()), Answer{ByPath: true, Failure: failure}},
		"a limit refused":     {string(failure.bytes()), Answer{Failure: failure}},
	} {
		if got := ReadAnswer([]byte(test.said)); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if failure.Error() != "cannot run /bin/x: exec format error; do not" || !errors.Is(failure, syscall.ENOEXEC) {
		t.Errorf("the error reads %q", failure)
	}
}

// TestChannel: only the number of a descriptor makes a program a shim.
func TestChannel(t *testing.T) {
	for _, value := range []string{"", "x", "2", "-1", "3 ", "3x"} {
		if channel, is := channelOf(value, true); is {
			t.Errorf("%q makes it a shim on %d", value, channel)
		}
	}
	if channel, is := channelOf("17", true); !is || channel != 17 {
		t.Errorf("17 is taken as %d, %v", channel, is)
	}
}
