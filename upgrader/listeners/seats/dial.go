package seats

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"
)

// Dial connects to a worker's seat through the public address, whether new connections go
// there or not. The worker may not have accepted yet. The errors are ErrNoSeat and
// ErrUnreachable. At most eight calls run at a time; more wait.
func (g *Group) Dial(ctx context.Context, worker string) (net.Conn, error) {
	select {
	case g.turns <- struct{}{}:
		defer func() { <-g.turns }()
	case <-ctx.Done():
		return nil, fmt.Errorf("cannot connect to worker %s: %w", worker, ctx.Err())
	}
	p, err := g.startProbe(worker)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to worker %s at %s: %w", worker, g.where.address, err)
	}
	defer g.ending.Done()
	defer p.file.Close()
	defer g.forgetProbe(p)
	if err := p.establish(ctx); err != nil {
		return nil, fmt.Errorf("cannot connect to worker %s at %s: %w: %w", worker, g.where.address, ErrUnreachable, err)
	}
	return net.FileConn(p.file)
}

// establish connects and waits for the connection: over the loopback it is there at once,
// unless the accept queue is full.
func (p *probe) establish(ctx context.Context) error {
	if err := p.connect(); err != nil {
		return err
	}
	for pause := firstPause; ; pause = min(pause*3/2, longestPause) {
		if stage, err := p.look(); err != nil || stage != connecting {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// forgetProbe takes a probe out of the steering. Its connection stays open.
func (g *Group) forgetProbe(p *probe) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probes = slices.DeleteFunc(g.probes, func(other *probe) bool { return other == p })
	if p.deferral != 0 && slices.Contains(g.members, p.seat) {
		deferAccept(p.seat.file, p.deferral)
	}
	if err := g.settle(); err != nil {
		g.log.Warn("cannot end the steering of a probe", "address", g.where.address.String(), "err", err)
	}
}
