package listeners

import (
	"context"
	"fmt"
	"net"

	"relevo/upgrader/listeners/seats"
)

// Dial connects to a worker's own socket through the public address. The error is one of
// package seats where there is none.
func (l *Listener) Dial(ctx context.Context, worker string) (net.Conn, error) {
	group := l.seats.seated(worker)
	if group == nil {
		return nil, fmt.Errorf("cannot connect to worker %s at %s: %w", worker, l.Address, seats.ErrNoSeat)
	}
	return group.Dial(ctx, worker)
}
