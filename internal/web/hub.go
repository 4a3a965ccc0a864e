package web

import (
	"context"
	"sync"
	"time"

	"relevo/internal/apps"
	"relevo/internal/machineview"
)

// The times of looks. A page that is slow gets the newest look, and not those that it missed.
const (
	lookEvery    = 500 * time.Millisecond
	lookPatience = 500 * time.Millisecond // with a master that does not answer
)

// hub looks at the apps for all pages together, while there is one.
type hub struct {
	masters *machineview.Masters
	ctx     context.Context

	mu       sync.Mutex
	watchers map[chan *moment]bool
	newest   *moment
	stop     context.CancelFunc // ends the looks; nil: no client watches
	running  sync.WaitGroup
}

// watch returns a channel with the newest look. After forget nothing more is sent.
func (h *hub) watch() (looks <-chan *moment, forget func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ch := make(chan *moment, 1)
	if h.watchers == nil {
		h.watchers = map[chan *moment]bool{}
	}
	h.watchers[ch] = true
	if h.newest != nil {
		ch <- h.newest
	}
	if h.stop == nil {
		ctx, stop := context.WithCancel(h.ctx)
		h.stop = stop
		h.running.Go(func() { h.look(ctx) })
	}
	return ch, func() { h.forget(ch) }
}

func (h *hub) forget(ch chan *moment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watchers, ch)
	if len(h.watchers) == 0 && h.stop != nil {
		h.stop()
		h.stop, h.newest = nil, nil
	}
}

// look looks until ctx ends. The history starts again with the first page.
func (h *hub) look(ctx context.Context) {
	viewer := machineview.NewViewer(func(ctx context.Context) ([]apps.App, error) {
		return h.masters.Measured(ctx, lookPatience)
	})
	for ticks := time.NewTicker(lookEvery); ; {
		view, err := viewer.Look(ctx)
		h.publish(ctx, newMoment(view, err))
		select {
		case <-ticks.C:
		case <-ctx.Done():
			ticks.Stop()
			return
		}
	}
}

func (h *hub) publish(ctx context.Context, m *moment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	h.newest = m
	for ch := range h.watchers {
		select {
		case <-ch: // one that was not taken
		default:
		}
		ch <- m
	}
}
