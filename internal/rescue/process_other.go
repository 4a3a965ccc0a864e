//go:build !linux

package rescue

import (
	"context"
	"net/netip"
)

// Holding is empty: only Linux can take a worker's connections.
type Holding struct{}

// Take returns an empty Holding.
func Take(func(netip.Addr) bool, []uint64) *Holding { return &Holding{} }

func (*Holding) Look([]int, []uint16) (bool, error) { return true, nil }
func (*Holding) HandOver(context.Context, string, int, func(func() (int, error)) error) (*Relay, error) {
	return nil, nil
}
func (*Holding) Cancel()         {}
func (*Holding) Has(uint64) bool { return false }

// Relay is a relay that was started.
type Relay struct{ Connections []uint64 }

// Main returns false: there are no relays on this system.
func Main([]string) (int, bool) { return 0, false }
