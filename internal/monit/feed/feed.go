package feed

import (
	"context"
	"sync"

	"relevo/internal/control"
	"relevo/internal/machineview"
	"relevo/internal/monit"
)

// Feed implements monit.Source. Its fields are set before the first Look.
type Feed struct {
	Viewer *machineview.Viewer
	// Connect reaches the master of an app.
	Connect func(ctx context.Context, app string) (*control.Client, error)
	// LogDir is where the log files of an app are.
	LogDir func(app string) string

	mu     sync.Mutex // looks come one after the other; the end may come at any time
	log    *log
	events *events
}

// Look returns what all apps are like now, with the log and the events of one app.
func (f *Feed) Look(ctx context.Context, app string) (monit.Frame, error) {
	view, err := f.Viewer.Look(ctx)
	if err != nil {
		return monit.Frame{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	frame := monit.Frame{View: view, App: app}
	if app == "" {
		return frame, nil
	}
	f.turnTo(app)
	frame.Log, frame.LogNote = f.log.read()
	a := view.Find(app)
	f.events.follow(ctx, f.Connect, a != nil && a.Status != nil)
	frame.Events, frame.EventsNote = f.events.newest()
	return frame, nil
}

// turnTo has log and events be those of app.
func (f *Feed) turnTo(app string) {
	if f.log == nil || f.log.app != app {
		f.log.close()
		f.log = &log{app: app, dir: f.LogDir(app)}
	}
	if f.events == nil || f.events.app != app {
		f.events.close()
		f.events = &events{app: app}
	}
}

// Close ends what the Feed reads.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log.close()
	f.events.close()
	f.log, f.events = nil, nil
}
