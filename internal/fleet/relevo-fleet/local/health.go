package local

import (
	"context"
	"fmt"
	"time"

	"relevo/internal/control"
	"relevo/internal/fleet/relevo-fleet/agent"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/tally"
)

// Watch follows the master's events, and looks at its status after them.
func (a *App) Watch(ctx context.Context, changed func(agent.Health)) {
	for ctx.Err() == nil {
		a.follow(ctx, changed)
		if ctx.Err() == nil {
			a.note(agent.Health{}, changed)
			pause(ctx, time.Second)
		}
	}
}

// follow returns when the master does not answer any more.
func (a *App) follow(ctx context.Context, changed func(agent.Health)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	master, err := control.Connect(ctx, a.Socket)
	if err != nil {
		return
	}
	events, err := master.Events(ctx)
	if err != nil {
		return
	}
	defer events.Close()
	heard := make(chan struct{}, 1) // one signal is enough: it means "look"
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, _, err := events.Next(); err != nil {
				return
			}
			select {
			case heard <- struct{}{}:
			default:
			}
		}
	}()
	a.look(ctx, master, heard, ended, changed)
	events.Close()
	cancel()
	<-ended
}

// settleTime is how long events are collected before a look. suspectTime is how long a pool may have fewer
// workers than it wants before that is a fault.
const (
	settleTime  = 200 * time.Millisecond
	suspectTime = 10 * time.Second
)

// look asks for the status after events, and once more when a pool that is not whole becomes suspect.
func (a *App) look(ctx context.Context, master *control.Client, heard, ended <-chan struct{},
	changed func(agent.Health)) {
	var short time.Time // since when workers are missing
	for {
		status, err := master.Status(ctx)
		if err != nil {
			return
		}
		if !lacks(status.Status) {
			short = time.Time{}
		} else if short.IsZero() {
			short = time.Now()
		}
		a.note(a.judge(status.Status, short), changed)
		again := make(<-chan time.Time)
		if wait := suspectTime - time.Since(short); !short.IsZero() && wait > 0 {
			again = time.After(wait)
		}
		select {
		case <-heard:
			pause(ctx, settleTime)
		case <-again:
		case <-ended:
			return
		case <-ctx.Done():
			return
		}
	}
}

// lacks says whether workers are missing that should serve.
func lacks(s pool.Status) bool {
	return s.State != "rolling" && s.Asleep.IsZero() && s.Serving() < s.Slots
}

// judge says how the app is.
func (a *App) judge(s pool.Status, short time.Time) agent.Health {
	deaths, roll, rolling := a.since(s)
	h := agent.Health{Running: true, Workers: s.Serving()}
	switch {
	case rolling:
		return h // the roll itself says what is wrong
	case s.LastRoll != nil && s.LastRoll.Automatic && s.LastRoll.Result != machine.OK &&
		!s.LastRoll.Ended.Equal(roll):
		h.Fault = s.LastRoll.Error().Error()
	case deaths > 0:
		h.Fault = fmt.Sprintf("workers have died since its turn: %d", deaths)
	case !short.IsZero() && time.Since(short) >= suspectTime:
		h.Fault = fmt.Sprintf("%d of %d workers serve", s.Serving(), s.Slots)
	}
	h.Deaths = deaths
	return h
}

// since is how many workers have died since the last turn, which roll was the last one then, and whether a turn is
// under way.
func (a *App) since(s pool.Status) (deaths int, roll time.Time, rolling bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	count := unasked(s)
	a.known.Deaths = min(a.known.Deaths, count) // another master counts from 0 again
	if a.known.Since.IsZero() {
		a.known.Deaths = count // no turn so far
	}
	return count - a.known.Deaths, a.known.Roll, a.known.Intent != nil
}

// unasked is how many workers have died by themselves. Those that a signal from outside has ended are not
// counted: that says nothing about the release.
func unasked(s pool.Status) (n int) {
	for how, count := range s.Counts.Deaths {
		if how != tally.Asked && how != tally.Signal {
			n += count
		}
	}
	return n
}

// mark is what a master has counted at a moment.
type mark struct {
	// Deaths is how many workers have died by themselves, Roll when the last roll ended. Rolls are told apart by
	// that; it is not compared with any clock, for that may be set.
	Deaths int       `json:"deaths,omitempty"`
	Roll   time.Time `json:"roll,omitzero"`
}

// markOf is what a master has counted now; nothing if it does not say.
func markOf(ctx context.Context, master *control.Client) (m mark) {
	status, err := master.Status(ctx)
	if err != nil {
		return m
	}
	if status.LastRoll != nil {
		m.Roll = status.LastRoll.Ended
	}
	m.Deaths = unasked(status.Status)
	return m
}

// note remembers the health.
func (a *App) note(h agent.Health, changed func(agent.Health)) {
	a.mu.Lock()
	a.health = h
	a.mu.Unlock()
	changed(h)
}

// Health is the last one that was seen.
func (a *App) Health() agent.Health {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.health
}
