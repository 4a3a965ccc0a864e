package master

import (
	"context"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/pool"
	"relevo/pool/machine"
)

// clockRig is a pool whose workers started at some time.
type clockRig struct {
	started time.Time
	state   machine.Phase
	changes chan struct{} // a receive shows that the clock waits again
	rolls   chan string
}

func (r *clockRig) clock() clock {
	return clock{
		app: func() config.App {
			app := config.Default()
			app.Name, app.Schedule = "web", config.Schedule{Roll: "0 4 * * *", Zone: "UTC"}
			return app
		},
		changed: func() <-chan struct{} { return r.changes },
		status: func() (pool.Status, error) {
			return pool.Status{State: string(r.state), Workers: []pool.Worker{
				{State: string(machine.Serving), Started: r.started},
				{State: string(machine.Serving), Started: time.Now()},
				{State: string(machine.Draining), Started: r.started.AddDate(-1, 0, 0)},
			}}, nil
		},
		roll:    func(cause string) { r.rolls <- cause },
		machine: func() (string, error) { return "here", nil },
	}
}

// TestMissedRoll: a roll whose time passed while no master ran is made up for, once, and not again
// if it fails.
func TestMissedRoll(t *testing.T) {
	t.Parallel()
	r := &clockRig{time.Now().AddDate(0, 0, -3), machine.Running, make(chan struct{}), make(chan string)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { r.clock().run(ctx); close(ended) }()
	if cause := <-r.rolls; cause != "the schedule 0 4 * * *" {
		t.Errorf("rolled for %s", cause)
	}
	for range 3 { // it waits until tomorrow
		select {
		case r.changes <- struct{}{}:
		case <-r.rolls:
			t.Fatal("rolled twice")
		}
	}
	cancel()
	<-ended
}

// TestClockWaits for another roll, and for young workers.
func TestClockWaits(t *testing.T) {
	t.Parallel()
	for _, r := range []*clockRig{
		{started: time.Now().AddDate(0, 0, -3), state: "rolling"},
		{started: time.Now(), state: machine.Running},
	} {
		now := time.Now()
		if due := r.clock().due(time.Time{}); !due.After(now) {
			t.Errorf("%s, started %s: due at %s", r.state, r.started, due)
		}
	}
}

func TestNextRollShown(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	workers := []pool.Worker{{State: string(machine.Serving), Started: now.AddDate(0, 0, -3)}}
	serving := pool.Status{Workers: workers}
	c := (&clockRig{}).clock()
	if got := c.next(serving, now); !got.Equal(time.Date(2026, 11, 27, 4, 0, 0, 0, time.UTC)) {
		t.Errorf("%s", got)
	}
	c.app = config.Default
	if got := c.next(serving, now); !got.IsZero() || !c.due(now).IsZero() {
		t.Errorf("without a schedule: %s", got)
	}
	// A clock that was set back by a year.
	if got := since(workers, now.AddDate(1, 0, 0), now.AddDate(0, 0, -10)); !got.Equal(now.AddDate(0, 0, -10)) {
		t.Errorf("since %s", got)
	}
}

// jittered is a clock on some machine, with a jitter of an hour.
func jittered(machine string) clock {
	c := (&clockRig{}).clock()
	app := c.app()
	app.Schedule.Jitter = time.Hour
	c.app, c.machine = func() config.App { return app }, func() (string, error) { return machine, nil }
	return c
}

// TestJitterOfMachines: the same app does not roll at once on all machines.
func TestJitterOfMachines(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	times := map[time.Time]bool{}
	for _, machine := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		times[jittered(machine).next(pool.Status{}, now)] = true
	}
	if len(times) < 6 {
		t.Errorf("eight machines roll at %d times", len(times))
	}
}

// TestNextRollShownAsleep: the delay of a roll that is due while the app sleeps is shown.
func TestNextRollShownAsleep(t *testing.T) {
	t.Parallel()
	c := jittered("a")
	status := pool.Status{Asleep: time.Date(2026, 11, 26, 3, 0, 0, 0, time.UTC)}
	due := c.next(status, status.Asleep)
	if late := due.Add(-time.Second); !c.next(status, late).Equal(due) {
		t.Errorf("at %s the next roll is shown at %s, and it is due at %s", late, c.next(status, late), due)
	}
}
