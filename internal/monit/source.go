package monit

import (
	"context"
	"time"

	"relevo/internal/machineview"
)

// Source is where a Model gets what it shows, and what carries out requests.
type Source interface {
	// Look returns what all apps are like now, with the log and the events of one app.
	Look(ctx context.Context, app string) (Frame, error)
	// Do carries out a request, and returns in a line what has become of it.
	Do(ctx context.Context, r Request) (string, error)
}

// Frame is what one look has found.
type Frame struct {
	machineview.View
	App        string // that the rest is about
	Log        []Line // the newest last
	LogNote    string // why there is no log
	Events     []Line // the newest last
	EventsNote string // why there are no events
}

// Line is one line of the log, or one event.
type Line struct {
	Time time.Time
	Slot int // -1: of the master
	Text string
	Bad  bool // an error, or a line on stderr
}

// Action is what a user asks of an app.
type Action int

// The actions.
const (
	Roll Action = iota
	Rollback
	More
	Fewer
	Replace
)

// Request is an action on an app.
type Request struct {
	Action Action
	App    string
	Slot   int // Replace: whose worker
}
