package seats

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"
)

// Reasons why a probe failed.
var (
	ErrNotAccepted = errors.New("the worker did not accept the connection")
	ErrUnreachable = errors.New("this host does not reach its own listener")
)

const (
	probesAtOnce = 8
	firstPause   = time.Millisecond
	longestPause = 100 * time.Millisecond
	// quietQueue is how long a queue has to stay empty to count as accepted where sock_diag
	// is missing: the worker may have accepted before the first look.
	quietQueue = 200 * time.Millisecond
	// goodbye is how long a probe waits for the program to close its end.
	goodbye      = 5 * time.Second
	goodbyeBytes = 1 << 20
)

// stage is how far a connection has come.
type stage int

const (
	connecting stage = iota
	connected        // it waits in an accept queue
	accepted
)

// probe is a connection that the steering sends to one seat.
type probe struct {
	*client
	seat     *seat
	deferral int // the seat's TCP_DEFER_ACCEPT before the probe: a probe sends no data
}

// Accepted connects to a worker's seat, whether new connections go there or not, and
// returns when the worker has accepted. The errors are ErrNoSeat, ErrUnreachable, and
// ErrNotAccepted when ctx ends first: then the connection stays in the seat's queue. At
// most eight calls run at a time; more wait.
func (g *Group) Accepted(ctx context.Context, worker string) error {
	select {
	case g.turns <- struct{}{}:
		defer func() { <-g.turns }()
	case <-ctx.Done():
		return fmt.Errorf("cannot probe worker %s: %w", worker, ctx.Err())
	}
	p, err := g.startProbe(worker)
	if err != nil {
		return fmt.Errorf("cannot probe worker %s at %s: %w", worker, g.where.address, err)
	}
	if err = p.connect(); err != nil {
		err = fmt.Errorf("%w: %w", ErrUnreachable, err)
	} else {
		err = g.await(ctx, worker, p)
	}
	g.endProbe(p)
	if err != nil {
		return fmt.Errorf("cannot probe worker %s at %s: %w", worker, g.where.address, err)
	}
	return nil
}

// startProbe makes the BPF program send a new client of ours to the worker's seat.
func (g *Group) startProbe(worker string) (*probe, error) {
	c, err := openClient(g.where)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p := &probe{client: c, seat: g.seatOf(worker)}
	if p.seat == nil || g.closed {
		c.file.Close()
		return nil, ErrNoSeat
	}
	g.probes = append(g.probes, p)
	if err := g.settle(); err != nil {
		g.probes = slices.DeleteFunc(g.probes, func(other *probe) bool { return other == p })
		c.file.Close()
		return nil, err
	}
	p.deferral = deferAccept(p.seat.file, 0)
	g.ending.Add(1)
	return p, nil
}

// endProbe frees the port. The program must not see a reset: so the probe reads what the
// program sends, and waits until it closes its end.
func (g *Group) endProbe(p *probe) {
	g.forgetProbe(p)
	p.shutdown()
	last, err := p.polled()
	p.file.Close()
	if err != nil {
		g.ending.Done()
		return
	}
	go func() {
		defer g.ending.Done()
		defer last.Close()
		last.SetReadDeadline(time.Now().Add(goodbye))
		defer context.AfterFunc(g.life, func() { last.SetReadDeadline(time.Now()) })()
		io.CopyN(io.Discard, last, goodbyeBytes)
	}()
}

// await looks, after longer and longer pauses, until the worker has accepted.
func (g *Group) await(ctx context.Context, worker string, p *probe) error {
	began, queued := time.Now(), false
	for pause := firstPause; ; pause = min(pause*3/2, longestPause) {
		waiting, err := g.waiting(worker, p.seat)
		if err != nil {
			return err
		}
		now, err := g.stage(p, waiting, queued || time.Since(began) > quietQueue)
		if errors.Is(err, syscall.ECONNRESET) { // by the program, or because the seat was closed
			now = accepted
			_, err = g.waiting(worker, p.seat)
		}
		queued = queued || now == connected && waiting > 0
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", ErrUnreachable, err)
		case now == accepted:
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			if now == connecting && waiting == 0 {
				return fmt.Errorf("%w: %w", ErrUnreachable, ctx.Err())
			}
			return fmt.Errorf("%w: %w", ErrNotAccepted, ctx.Err())
		}
	}
}

// stage looks at the client's end of the connection, and then at the server's end. If the
// kernel does not show the server's end, a queue that stays empty counts as accepted.
func (g *Group) stage(p *probe, waiting int, emptyQueueCounts bool) (stage, error) {
	now, err := p.look()
	if now != connected || err != nil {
		return now, err
	}
	if !g.noDiag.Load() {
		if now, err = p.serverSide(); err == nil {
			return now, nil
		}
		g.noDiag.Store(true)
		g.log.Debug("sock_diag does not answer; acceptance is read from the accept queue", "err", err)
	}
	if waiting == 0 && emptyQueueCounts {
		return accepted, nil
	}
	return connected, nil
}

// waiting returns the queue length of the probe's seat, if the worker still has that seat.
func (g *Group) waiting(worker string, s *seat) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.seatOf(worker) != s {
		return 0, ErrNoSeat
	}
	if !listening(s.file) {
		return 0, fmt.Errorf("%w: the worker shut it down", ErrNoSeat)
	}
	return queueLength(s.file), nil
}
