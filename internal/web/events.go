package web

import (
	"context"
	"time"

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

// follow sends the events of an app until ctx ends, over all its masters.
func (s *Server) follow(ctx context.Context, name string, all bool) <-chan happened {
	if name == "" {
		return nil
	}
	events := make(chan happened, 64)
	s.running.Go(func() {
		for ctx.Err() == nil {
			if s.subscribe(ctx, name, all, events) {
				continue // another master may go on already
			}
			select {
			case <-time.After(followAgain):
			case <-ctx.Done():
			}
		}
	})
	return events
}

// subscribe sends the events of one master. It returns whether there were any.
func (s *Server) subscribe(ctx context.Context, name string, all bool, events chan happened) (any bool) {
	client, err := s.o.Connect(ctx, name)
	if err != nil {
		return false
	}
	stream, err := client.Events(ctx)
	if err != nil {
		return false
	}
	defer stream.Close()
	for {
		e, _, err := stream.Next()
		if err != nil {
			return any
		}
		any = true
		if h, shown := shownEvent(name, e, all); shown {
			select {
			case events <- h:
			case <-ctx.Done():
				return any
			}
		}
	}
}
