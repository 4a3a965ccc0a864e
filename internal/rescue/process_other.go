//go:build !linux

package rescue

import (
	"context"
	"net/netip"
)

// Holding is a worker's connections on their way out; here there are none.
type Holding struct{}

// Take returns one without connections.
func Take(func(netip.Addr) bool, []uint64) *Holding { return &Holding{} }

func (*Holding) Look([]int, []uint16) (bool, error) { return true, nil }
func (*Holding) HandOver(context.Context, string, int, func(func() (int, error)) error) (*Relay, error) {
	return nil, nil
}
func (*Holding) Cancel()         {}
func (*Holding) Has(uint64) bool { return false }

// Relay is a relay that was started.
type Relay struct{ Connections []uint64 }

// Main says that the program was not started as a relay.
func Main([]string) (int, bool) { return 0, false }
