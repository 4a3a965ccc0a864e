package launch

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestWouldBlock: a program that expects accept to block gets the hint --blocking, unless its
// listener blocks.
func TestWouldBlock(t *testing.T) {
	r := newRig(t, "web")
	accepts := Command{App: "app", Args: []string{python(t), "-Sc", "import socket; socket.socket(fileno=3).accept()"}}
	wantError(t, r.start(accepts).exit().Hint, "do not wait", r.listeners[0].Address, "--blocking")

	if err := unix.SetNonblock(int(r.listeners[0].File.Fd()), false); err != nil {
		t.Fatal(err)
	}
	fails := Command{App: "app",
		Args: []string{python(t), "-Sc", "raise BlockingIOError(11, 'Resource temporarily unavailable')"}}
	if hint := r.start(fails).exit().Hint; hint != "" {
		t.Errorf("a hint although the listener blocks: %q", hint)
	}
}
