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

// rig is an exporter whose configuration changes.
type rig struct {
	mu      sync.Mutex
	address string
	changed chan struct{}
	warned  chan string
}

func start(t *testing.T, address string) *rig {
	t.Helper()
	r := &rig{address: address, changed: make(chan struct{}), warned: make(chan string, 100)}
	e := Exporter{
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "numbers")
		}),
		Address:  func() string { r.mu.Lock(); defer r.mu.Unlock(); return r.address },
		Changed:  func() <-chan struct{} { r.mu.Lock(); defer r.mu.Unlock(); return r.changed },
		Warn:     func(text string) { r.warned <- text },
		patience: 100 * time.Millisecond, pause: 10 * time.Millisecond,
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); e.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return r
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
