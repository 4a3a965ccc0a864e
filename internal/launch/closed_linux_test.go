package launch

import (
	"os"
	"testing"

	"relevo/pool"
)

// seats records the addresses that are given back.
type seats struct {
	common
	given []string
}

func (s *seats) Closed(_ pool.Order, address string) bool {
	s.given = append(s.given, address)
	return false
}

// TestGiveBack: a socket that no process has open is given back at the second look, unless it may
// have been bound again since the first one.
func TestGiveBack(t *testing.T) {
	const address = "127.0.0.1:80"
	s := new(seats)
	b := newBinder(s)
	b.own, b.asked = true, []bound{{Seat: address, Inode: 1 << 62}}
	p := &Process{pid: os.Getpid(), binder: b}
	look := p.giveBack(closedLook{})
	b.note(Grant{Own: true, Address: address})
	look = p.giveBack(look)
	if len(s.given) > 0 || !b.hasOwn() {
		t.Fatal("a socket that was bound since the last look is given back")
	}
	p.giveBack(look)
	if len(s.given) != 1 || b.hasOwn() || len(b.asked) > 0 {
		t.Errorf("given back: %v; %v remain", s.given, b.asked)
	}
}
