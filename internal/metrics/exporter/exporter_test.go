package exporter

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tooLong is longer than anything here takes.
const tooLong = 30 * time.Second

// short is the patience of an exporter that is not to wait.
const short = 100 * time.Millisecond

// rig is an exporter whose configuration changes.
type rig struct {
	mu      sync.Mutex
	address string
	changed chan struct{}
	warned  chan string
	place   Place
}

func start(t *testing.T, address string) *rig {
	t.Helper()
	r, _ := follow(t, address, Legacy{}, short)
	return r
}

// follow starts an exporter behind another one. stop ends it.
func follow(t *testing.T, address string, left Legacy, patience time.Duration) (r *rig, stop func()) {
	t.Helper()
	r = &rig{address: address, changed: make(chan struct{}), warned: make(chan string, 100)}
	r.place.TakeOver(left)
	e := Exporter{
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "numbers")
		}),
		Address:  func() string { r.mu.Lock(); defer r.mu.Unlock(); return r.address },
		Changed:  func() <-chan struct{} { r.mu.Lock(); defer r.mu.Unlock(); return r.changed },
		Warn:     func(text string) { r.warned <- text },
		Place:    &r.place,
		patience: patience, pause: 10 * time.Millisecond,
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); e.Run(ctx) }()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return r, stop
}

// served waits until metrics are served, and says where.
func (r *rig) served(t *testing.T) string {
	t.Helper()
	for deadline := time.Now().Add(tooLong); ; time.Sleep(5 * time.Millisecond) {
		if l := r.place.Legacy(); l.Served != "" && l.Wanted != "" {
			return l.Served
		}
		if time.Now().After(deadline) {
			t.Fatal("it is not known where metrics are served")
		}
	}
}

// nowhere waits until it is known that metrics are not served.
func (r *rig) nowhere(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(tooLong); r.place.Legacy() != (Legacy{}); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the place is %v although nothing is served", r.place.Legacy())
		}
	}
}

// TestPlaceStays: the port that the kernel chose goes from one master to the next, also where that
// one begins before the first has ended. It does not go to another address, and is left to another
// program that has it.
func TestPlaceStays(t *testing.T) {
	const open = "127.0.0.1:0"
	first, end := follow(t, open, Legacy{}, short)
	at := first.served(t)
	serves(t, at, true)
	second, endSecond := follow(t, open, first.place.Legacy(), tooLong)
	end()
	serves(t, at, true)
	if got := second.served(t); got != at {
		t.Errorf("the next master serves on %s, the first one on %s", got, at)
	}
	second.set("")
	serves(t, at, false)
	second.nowhere(t)
	endSecond()

	holder, err := net.Listen("tcp", open)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	taken := holder.Addr().String()
	third, _ := follow(t, open, Legacy{Wanted: open, Served: taken}, short)
	for deadline := time.Now().Add(tooLong); third.served(t) == taken; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it waits for the port of another program forever")
		}
	}
	serves(t, third.served(t), true)
	other := free(t)
	off, _ := follow(t, "", Legacy{Wanted: open, Served: at}, short)
	off.nowhere(t)
	fourth, _ := follow(t, other, Legacy{Wanted: open, Served: at}, short)
	serves(t, other, true)
	if got := fourth.served(t); got != other {
		t.Errorf("served on %s instead of %s", got, other)
	}
}

func (r *rig) set(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.address = address
	close(r.changed)
	r.changed = make(chan struct{})
}

// serves waits until an address answers, or, if it should not, refuses.
func serves(t *testing.T, address string, want bool) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: tooLong}
	for deadline := time.Now().Add(tooLong); ; time.Sleep(5 * time.Millisecond) {
		answer, err := client.Get("http://" + address)
		if err == nil {
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if want && string(text) == "numbers" {
				return
			}
		} else if !want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s answers: %t, want %t (%v)", address, err == nil, want, err)
		}
	}
}

// free is an address that was free a moment ago.
func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// TestAddressChanges: the address follows the configuration; without one nothing is served.
func TestAddressChanges(t *testing.T) {
	one, other := free(t), free(t)
	r := start(t, "")
	serves(t, one, false)
	r.set(one)
	serves(t, one, true)
	r.set(one) // something else has changed
	serves(t, one, true)
	r.set(other)
	serves(t, other, true)
	serves(t, one, false)
	r.set("")
	serves(t, other, false)
}

// TestAddressTaken: it is told with what to do, and served when the address is free.
func TestAddressTaken(t *testing.T) {
	holder, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, holder.Addr().String())
	warning := <-r.warned
	for _, want := range []string{"cannot serve metrics on " + holder.Addr().String(), "address already in use",
		"tries again", "name another with metrics"} {
		if !strings.Contains(warning, want) {
			t.Errorf("the warning is %q, want %q in it", warning, want)
		}
	}
	holder.Close()
	if all := <-r.warned; all != "" {
		t.Errorf("when the address is free the warning is %q", all)
	}
	serves(t, holder.Addr().String(), true)
}
