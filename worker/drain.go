package worker

import (
	"context"
	"net/http"
	"os"
	"time"
)

const (
	maxMargin   = 2 * time.Second // of the time before the deadline in which what is left is hurried
	reportEvery = time.Second     // at most, of the connections left
)

// drain is the end of a run.
type drain struct {
	*run
	grace    time.Duration
	signals  <-chan os.Signal
	spare    int              // signals that do not force the end: 1 if no signal began the drain
	hurry    <-chan time.Time // when to end what does not end by itself
	deadline <-chan time.Time

	shutting bool // http.Server.Shutdown was called
	reported int
	next     time.Time // of the next report
}

// drain quiesces and drains, as the package comment tells.
func (r *run) drain(signals <-chan os.Signal, signalled bool) error {
	limit := r.proc.limit(r.Drain)
	hurry := time.NewTimer(limit - min(limit/10, maxMargin))
	deadline := time.NewTimer(limit)
	defer hurry.Stop()
	defer deadline.Stop()
	defer r.cancel()
	d := &drain{run: r, grace: r.IdleGrace, signals: signals, hurry: hurry.C, deadline: deadline.C}
	if d.grace <= 0 {
		d.grace = defaultIdleGrace
	}
	if !signalled {
		d.spare = 1
	}
	err := d.quiesce()
	if err == nil {
		r.conns.drain(time.Now())
		r.proc.quiesced()
		err = d.settle()
	}
	if err != nil {
		d.closeEverything()
	}
	return err
}

// quiesce closes this process's listeners and waits for the accept loops to end:
// only then are all accepted connections known.
func (d *drain) quiesce() error {
	for _, ln := range d.listeners {
		// Not waited for: where another worker made the shared listener blocking, Close hangs.
		go ln.Close()
	}
	for d.running > 0 {
		select {
		case <-d.served:
			d.running--
		case <-d.deadline:
			return ErrDeadline
		case <-d.signals:
			if d.forces() {
				return ErrForced
			}
		}
	}
	return nil
}

// settle waits until no connection is left. It does not wait for Shutdown to
// return: that looks at its connections every half second, and misses some.
func (d *drain) settle() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tick := time.NewTicker(min(max(d.grace/10, 5*time.Millisecond), 250*time.Millisecond))
	defer tick.Stop()
	began := d.shutDownBegan
	for {
		left := d.conns.sweep(time.Now(), d.grace)
		d.tell(left.open())
		if left.busy == 0 {
			d.shutDown(ctx)
		}
		if left.open() == 0 && isClosed(d.shutDownBegan) {
			return nil
		}
		select {
		case <-d.conns.changed:
		case <-tick.C:
		case <-began:
			began = nil // it stays closed
		case <-d.hurry:
			d.hurryUp(ctx)
		case <-d.deadline:
			return ErrDeadline
		case <-d.signals:
			if d.forces() {
				return ErrForced
			}
		}
	}
}

// shutDown runs net/http's own shutdown beside the loop. It has nothing to lose
// by then: it tells resting HTTP/2 connections their end and calls the functions
// of RegisterOnShutdown, for the sake of hijacked connections.
func (d *drain) shutDown(ctx context.Context) {
	if d.shutting {
		return
	}
	d.shutting = true
	go func() { _ = d.HTTP.Shutdown(ctx) }() // ends with ctx at the latest
}

// hurryUp ends what has no end of its own, early enough that handlers can still
// finish their responses. A server that knows of its shutdown by then closes
// their connections right behind them.
func (d *drain) hurryUp(ctx context.Context) {
	d.shutDown(ctx)
	<-d.shutDownBegan
	d.cancel()
	d.conns.closeAll(func(c *conn) bool { return c.state() == http.StateHijacked })
}

func (d *drain) closeEverything() {
	d.cancel()
	_ = d.HTTP.Close()
	d.conns.closeAll(func(*conn) bool { return true })
}

// forces reports whether a signal that has just come is one too many.
func (d *drain) forces() bool {
	d.spare--
	return d.spare < 0
}

// tell reports the connections left: at once, then each change, but not often.
func (d *drain) tell(open int) {
	now := time.Now()
	if now.Before(d.next) || open == d.reported && !d.next.IsZero() {
		return
	}
	d.reported, d.next = open, now.Add(reportEvery)
	d.proc.report(d.run, open)
}
