package worker

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// conns are the open connections of one Serve call, from accept to close. Unlike
// net/http it does not forget hijacked ones.
type conns struct {
	draining atomic.Bool   // set by drain, read once per request
	changed  chan struct{} // holds one token after something changed, while draining

	mu      sync.Mutex
	all     map[*conn]struct{}
	foreign map[net.Conn]*conn // those that could not be wrapped
	began   time.Time          // of the drain
}

func newConns() *conns {
	return &conns{
		changed: make(chan struct{}, 1),
		all:     make(map[*conn]struct{}),
		foreign: make(map[net.Conn]*conn),
	}
}

// track registers an accepted connection and returns it wrapped. A *tls.Conn
// stays as it is, because net/http recognises TLS by that very type.
func (t *conns) track(raw net.Conn) net.Conn {
	c := &conn{owner: t, raw: raw}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all[c] = struct{}{}
	if _, isTLS := raw.(*tls.Conn); isTLS {
		c.unwrapped = true
		t.foreign[raw] = c
		return raw
	}
	return wrap(c)
}

func (t *conns) forget(c *conn) {
	t.mu.Lock()
	delete(t.all, c)
	if c.unwrapped {
		delete(t.foreign, c.raw)
	}
	t.mu.Unlock()
	t.wake()
}

func (t *conns) wake() {
	if !t.draining.Load() {
		return
	}
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// find returns what is known of a connection that net/http reports.
func (t *conns) find(nc net.Conn) *conn {
	switch nc := nc.(type) {
	case wrapped:
		return nc.tracked()
	case *tls.Conn:
		if w, ok := nc.NetConn().(wrapped); ok {
			return w.tracked()
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.foreign[nc]
}

// note is the ConnState hook.
func (t *conns) note(nc net.Conn, state http.ConnState) {
	c := t.find(nc)
	if c == nil {
		return
	}
	c.enter(nc, state)
	if c.unwrapped && (state == http.StateClosed || state == http.StateHijacked) {
		t.forget(c)
	}
}

// drain makes each response the last one on its connection.
func (t *conns) drain(now time.Time) {
	t.mu.Lock()
	t.began = now
	t.mu.Unlock()
	t.draining.Store(true)
	for _, c := range t.snapshot() {
		if h := c.http2.Load(); h != nil {
			// Its own goroutine, because a client that does not read holds the writer up.
			go h.sayGoAway()
		}
	}
}

func (t *conns) snapshot() []*conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]*conn, 0, len(t.all))
	for c := range t.all {
		list = append(list, c)
	}
	return list
}

// census is the state of a drain.
type census struct {
	busy     int // connections that still owe or may get a request
	resting  int // quiet ones that only Shutdown may close
	hijacked int // the application's own
}

func (c census) open() int { return c.busy + c.resting + c.hijacked }

// sweep counts, and closes what has been quiet for the idle grace.
func (t *conns) sweep(now time.Time, grace time.Duration) census {
	var n census
	for _, c := range t.snapshot() {
		switch {
		case c.state() == http.StateHijacked:
			n.hijacked++
		case !c.quiet(now, grace):
			n.busy++
		case c.leftToShutdown():
			n.resting++
		default:
			n.busy++ // until its reader has looked a last time and closed it
			c.evict(now, grace)
		}
	}
	return n
}

// closeAll ends the connections that pick chooses.
func (t *conns) closeAll(pick func(*conn) bool) {
	for _, c := range t.snapshot() {
		if pick(c) {
			c.close()
		}
	}
}
