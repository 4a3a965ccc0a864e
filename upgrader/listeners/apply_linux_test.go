package listeners_test

import (
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/testleft"
	"relevo/internal/testproc"
	"relevo/upgrader/listeners"
)

func names(opened []*listeners.Listener) string {
	var all []string
	for _, l := range opened {
		all = append(all, l.Name)
	}
	return strings.Join(all, " ")
}

func TestApply(t *testing.T) {
	path := testproc.SocketPath(t)
	set, c := newSet(t)
	first, err := set.Listen(wanted(t, "a=127.0.0.1:0", "b=unix:"+path+",mode=0600", "c=udp:127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	a, b, udp := first[0], first[1], first[2]
	files := len(testleft.OpenFiles())
	err = set.Apply(wanted(t, "d=127.0.0.2:0", "web=127.0.0.1:0,backlog=7", "b=unix:"+path+",mode=0666"))
	if err != nil {
		t.Fatal(err)
	}
	if now := set.Listeners(); names(now) != "d web b" || !slices.Equal(now[1:], []*listeners.Listener{a, b}) {
		t.Errorf("the listeners are %s; the first were %s", names(now), names(first))
	}
	if got := acceptQueue(t, a); got != 7 || a.Backlog != 7 {
		t.Errorf("the accept queue has length %d, want 7", got)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if len(c.files) != 4 {
		t.Errorf("the store has %d files, want 4", len(c.files))
	}
	if err := set.CloseListener(udp); err != nil {
		t.Fatal(err)
	}
	if err := reachesUDP(udp); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the closed listener answers: %v", err)
	}
	if n := len(testleft.OpenFiles()); n != files { // one listener and its copy opened, one and its copy closed
		t.Errorf("%d files are open, %d were before", n, files)
	}
	wantContains(t, set.CloseListener(udp), "it is wanted, or closed")
	wantContains(t, set.CloseListener(a), "it is wanted, or closed")
	wantContains(t, set.Retire(udp), "it is closed")
}

// Two listeners on port 0 get two ports, whatever their order. Listeners that swap their names do
// not share an entry of the store.
func TestApplyPortZero(t *testing.T) {
	set, c := newSet(t)
	first, err := set.Listen(wanted(t, "a=127.0.0.1:0", "b=127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	err = set.Apply(wanted(t, "b=127.0.0.1:0", "a=127.0.0.1:0"))
	if now := set.Listeners(); err != nil || !slices.Equal(now, []*listeners.Listener{first[1], first[0]}) {
		t.Errorf("kept %s, %v", names(now), err)
	}
	err = set.Apply(wanted(t, "b=127.0.0.1:0", "c=127.0.0.1:0", "a=127.0.0.1:0"))
	if now := set.Listeners(); err != nil || names(now) != "b c a" || now[0] != first[1] || now[2] != first[0] {
		t.Errorf("the listeners are %s, %v", names(now), err)
	}
	if err := set.Apply(wanted(t, "b=127.0.0.1:0", "c=127.0.0.1:0", "d=127.0.0.1:0", "a=tcp4:127.0.0.1:0")); err != nil {
		t.Fatal(err)
	}
	if err := set.Apply(wanted(t, "b=127.0.0.1:0", "c=127.0.0.1:0", "d=127.0.0.1:0", "e=tcp4:127.0.0.1:0",
		"a=127.0.0.1:0")); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, l := range set.Listeners() {
		name := listeners.FileName(l.ID())
		if _, kept := c.files[name]; seen[name] || !kept {
			t.Errorf("%s is kept as %q", l.Name, name)
		}
		seen[name] = true
	}
}

// An Apply that fails changes nothing.
func TestApplyFails(t *testing.T) {
	path := testproc.SocketPath(t)
	set, c := newSet(t)
	first, err := set.Listen(wanted(t, "a=127.0.0.1:0,backlog=9"))
	if err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	files := len(testleft.OpenFiles())
	err = set.Apply(wanted(t, "z=127.0.0.1:0,backlog=3", "b=unix:"+path, "c="+busy.Addr().String()))
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("error %v", err)
	}
	if n := len(testleft.OpenFiles()); n > files || len(c.files) != 1 {
		t.Errorf("%d files are open, %d were before; the store has %d", n, files, len(c.files))
	}
	if now := set.Listeners(); len(now) != 1 || now[0] != first[0] || now[0].Name != "a" || acceptQueue(t, now[0]) != 9 {
		t.Errorf("the listeners are %s", names(now))
	}
	if exists(path) {
		t.Error("the Unix socket is left")
	}
}
