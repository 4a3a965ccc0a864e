package prove

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// load is the clients of a run and their shared state.
type load struct {
	options  Options
	endpoint *endpoint
	started  time.Time
	gaps     gaps
	ledger   ledger
	samples  samples
	most     int         // clients of an open loop, for each mode
	streams  *streamPool // nil without HTTP2
	closes   closeCounter

	mu      sync.Mutex // guards the two below: an open loop adds clients
	clients []*client
	aborted bool

	stop    chan struct{} // closed by noMore: no client begins another request
	once    sync.Once
	ended   time.Duration // offset of noMore; written before stop is closed
	stalled atomic.Bool   // noMore because nothing could be sent
	wg      sync.WaitGroup
	uncut   func() bool   // cancels what begin has arranged for the end of ctx
	cut     chan struct{} // closed when that has run
}

func newLoad(o Options, e *endpoint) *load {
	l := &load{
		options: o, endpoint: e, started: time.Now(),
		stop: make(chan struct{}), cut: make(chan struct{}),
		ledger: ledger{keep: 2*o.Timeout + time.Minute}, most: mostClients,
	}
	if o.Connections == HTTP2 {
		l.streams = newStreamPool(l)
	}
	if o.Rate > 0 {
		return l
	}
	for _, mode := range o.Connections.modes() {
		for i := range o.Clients {
			l.clients = append(l.clients, newClient(l, mode, i))
		}
	}
	return l
}

// begin starts the clients. When ctx ends, they are cut short; end lets them finish.
func (l *load) begin(ctx context.Context) {
	l.started = time.Now()
	for _, c := range l.all() {
		l.wg.Go(func() { c.run(ctx) })
	}
	if l.options.Rate > 0 {
		for _, mode := range l.options.Connections.modes() {
			l.wg.Go(func() { l.pace(ctx, mode) })
		}
	}
	if l.options.Answered != nil {
		l.wg.Go(func() {
			l.until(l.answers)
			if l.answers() {
				l.options.Answered()
			}
		})
	}
	l.uncut = context.AfterFunc(ctx, func() {
		defer close(l.cut)
		l.noMore()
		l.abort()
	})
}

// end waits until every client has finished its current request.
func (l *load) end() {
	l.noMore()
	l.wg.Wait()
	l.streams.end()
	if !l.uncut() {
		<-l.cut
	}
}

func (l *load) noMore() {
	l.once.Do(func() {
		l.ended = time.Since(l.started)
		l.gaps.end(l.ended)
		close(l.stop)
	})
}

func (l *load) stopping() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// pause waits for d or for the end of the load.
func (l *load) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.stop:
	}
}

// until waits for a condition or for the end of the load.
func (l *load) until(condition func() bool) {
	const often = 5 * time.Millisecond
	t := time.NewTicker(often)
	defer t.Stop()
	for !condition() {
		select {
		case <-t.C:
		case <-l.stop:
			return
		}
	}
}

// warm says that there are as many results as clients.
func (l *load) warm() bool { return l.finished("") >= int64(max(len(l.all()), 1)) }

// answers says that a request was answered.
func (l *load) answers() bool { return l.count("").OK > 0 }

// enough says that every connection mode has finished Options.MinRequests.
func (l *load) enough() bool {
	for _, mode := range l.options.Connections.modes() {
		if l.finished(mode) < int64(l.options.MinRequests) {
			return false
		}
	}
	return true
}

// finished counts the requests of a mode that have a result; mode "" means all.
func (l *load) finished(mode Connections) int64 {
	n := l.count(mode)
	return n.Sent
}

func (l *load) count(mode Connections) (p Progress) {
	for _, c := range l.all() {
		if mode == "" || mode == c.mode {
			p.OK += c.tally.ok.Load()
			p.Held += c.tally.held.Load()
			p.Lost += c.tally.losses().Total()
			p.Unprocessed += c.tally.unprocessed.Load()
		}
	}
	p.Sent = p.OK + p.Lost + p.Held + p.Unprocessed
	return p
}

// stall is the error of a load that this machine could not send.
func (l *load) stall() error {
	var ports, files int64
	for _, c := range l.all() {
		ports += c.tally.lost[localPorts].Load()
		files += c.tally.lost[localFiles].Load()
	}
	return fmt.Errorf("cannot send to %s: this machine ran out of local ports %d times and of open files %d times: "+
		"use fewer clients, a wider net.ipv4.ip_local_port_range, a higher ulimit -n", l.endpoint.url, ports, files)
}
