package web

import (
	"context"
	"time"

	"relevo/internal/control"
	"relevo/pool"
)

// happened is an event as a page gets it.
type happened struct {
	Time       time.Time `json:"time"`
	Kind       string    `json:"event"`
	App        string    `json:"app"`
	Slot       *int      `json:"slot,omitempty"`
	ID         string    `json:"id,omitempty"`
	PID        int       `json:"pid,omitempty"`
	Generation int       `json:"generation,omitempty"`
	Step       string    `json:"step,omitempty"`
	From       int       `json:"from,omitempty"`
	To         int       `json:"to,omitempty"`
	Done       int       `json:"done,omitempty"`
	Of         int       `json:"of,omitempty"`
	Result     string    `json:"result,omitempty"`
	Code       *int      `json:"code,omitempty"`
	Signal     string    `json:"signal,omitempty"`
	Planned    *bool     `json:"planned,omitempty"`
	Count      int       `json:"count,omitempty"`
	AfterMS    *int64    `json:"after_ms,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Hint       string    `json:"hint,omitempty"`
	Text       string    `json:"text,omitempty"`
	Tail       []string  `json:"tail,omitempty"`
	Times      int       `json:"times,omitempty"` // how often it has happened; 0: once
	Last       time.Time `json:"last,omitzero"`   // and at last when
}

// shownEvent returns what a page gets of an event. Messages of workers are their program's own.
func shownEvent(app string, e pool.Event, all bool) (happened, bool) {
	if e.Kind == pool.KindMessage || e.Kind == pool.KindStatus && !all {
		return happened{}, false
	}
	h := happened{
		Time: e.Time, Kind: string(e.Kind), App: app, Slot: e.Slot, ID: e.ID, PID: e.PID, Generation: e.Generation,
		Step: string(e.Step), From: e.From, To: e.To, Done: e.Done, Of: e.Of, Result: e.Result, Code: e.Code,
		Signal: e.Signal, Planned: e.Planned, Count: e.Count, AfterMS: e.AfterMS,
	}
	if all {
		h.Reason, h.Hint, h.Text, h.Tail = e.Reason, e.Hint, e.Text, e.Tail
	}
	return h, true
}

// followAgain is the pause before a master is asked again for its events.
const followAgain = time.Second

// follow sends the events of an app until ctx ends, over all its masters. It begins with what
// the master remembers.
func (s *Server) follow(ctx context.Context, name string, all bool) <-chan happened {
	if name == "" {
		return nil
	}
	f := &follower{app: name, all: all, connect: s.o.Connect, events: make(chan happened, 64)}
	s.running.Go(func() {
		for ctx.Err() == nil {
			if f.subscribe(ctx) {
				continue // another master may have taken over already
			}
			select {
			case <-time.After(followAgain):
			case <-ctx.Done():
			}
		}
	})
	return f.events
}

// follower sends the events of one app to one page.
type follower struct {
	app     string
	all     bool // with what programs have said
	connect func(ctx context.Context, name string) (*control.Client, error)
	events  chan happened
	until   time.Time // of the newest event that was sent
}

// subscribe sends the events of one master. It returns whether there were any.
func (f *follower) subscribe(ctx context.Context) (any bool) {
	client, err := f.connect(ctx, f.app)
	if err != nil {
		return false
	}
	stream, err := client.Events(ctx)
	if err != nil {
		return false
	}
	defer stream.Close()
	sent := f.recall(ctx, client)
	for {
		e, _, err := stream.Next()
		if err != nil {
			return any
		}
		any = true
		if sent[e.Time.UnixNano()] {
			continue // it happened after the stream began, and before the master was asked
		}
		if h, shown := shownEvent(f.app, e, f.all); shown && !f.send(ctx, h) {
			return any
		}
	}
}

// recallPatience is how long a master may take to tell what it remembers.
const recallPatience = 2 * time.Second

// recall sends what the master remembers and was not sent yet, and returns the times of it. An
// older master remembers nothing.
func (f *follower) recall(ctx context.Context, client *control.Client) (sent map[int64]bool) {
	patient, cancel := context.WithTimeout(ctx, recallPatience)
	defer cancel()
	entries, err := client.Recent(patient)
	if err != nil {
		return nil
	}
	sent, before := map[int64]bool{}, f.until
	for _, e := range entries {
		h, shown := shownEvent(f.app, e.Event, f.all)
		if !shown || !e.Time.After(before) {
			continue
		}
		h.Times, h.Last = e.Times, e.Last
		sent[e.Time.UnixNano()] = true
		if !f.send(ctx, h) {
			break
		}
	}
	return sent
}

func (f *follower) send(ctx context.Context, h happened) bool {
	if h.Time.After(f.until) {
		f.until = h.Time
	}
	select {
	case f.events <- h:
		return true
	case <-ctx.Done():
		return false
	}
}
