package master

import (
	"context"
	"os"
	"time"

	"relevo/internal/config"
	"relevo/internal/schedule"
	"relevo/internal/schedule/alarm"
	"relevo/pool"
	"relevo/pool/machine"
)

// clock requests rolls by the schedule of the configuration. It has no state for a successor: the
// age of the serving workers says what is due, because after a roll no older worker is left. So a
// time at which no roll was possible is made up for, once.
type clock struct {
	app     func() config.App
	changed func() <-chan struct{}
	status  func() (pool.Status, error)
	roll    func(cause string)
	machine func() (name string, err error)
}

// who differs between apps and between machines, so that jitter spreads both.
func (c clock) who() string {
	machine, _ := c.machine() // one without a name differs from those that have one
	return c.app().Name + " on " + machine
}

// postponed is how long a roll by the clock waits for another roll.
const postponed = time.Minute

// run asks for rolls. Without a schedule it only waits for one.
func (c clock) run(ctx context.Context) {
	var asked time.Time // when the last roll was requested: a roll that has failed is not tried again at once
	for ctx.Err() == nil {
		changed := c.changed()
		due := c.due(asked)
		if due.IsZero() {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		if !waitOr(ctx, due, changed) {
			continue
		}
		if now := time.Now(); !now.Before(c.due(asked)) { // the workers may have been replaced meanwhile
			asked = now
			c.roll("the schedule " + c.app().Schedule.Roll)
		}
	}
}

// due returns when to roll next; the zero time if there is no schedule.
func (c clock) due(asked time.Time) time.Time {
	plan, on := planOf(c.app())
	if !on {
		return time.Time{}
	}
	now := time.Now()
	status, err := c.status()
	if err == nil && !status.Asleep.IsZero() { // the roll will begin when the next client comes
		return plan.Due(c.who(), latest(status.Asleep, asked))
	}
	if err != nil || status.State != string(machine.Running) {
		return now.Add(postponed)
	}
	return plan.Due(c.who(), since(status.Workers, asked, now))
}

// next returns when the next roll by the clock is due, for `relevo status`.
func (c clock) next(status pool.Status, now time.Time) time.Time {
	plan, on := planOf(c.app())
	if !on {
		return time.Time{}
	}
	after := status.Asleep
	if after.IsZero() {
		after = since(status.Workers, time.Time{}, now)
	}
	if due := plan.Due(c.who(), after); due.After(now) {
		return due
	}
	return plan.Due(c.who(), now)
}

func planOf(app config.App) (schedule.Plan, bool) {
	if !app.Schedule.On() {
		return schedule.Plan{}, false
	}
	plan, err := app.Schedule.Plan()
	return plan, err == nil
}

// since returns the time after which a roll is due: the start of the oldest serving worker, or the
// last attempt. Times in the future come from a clock that was set back; they are ignored.
func since(workers []pool.Worker, asked, now time.Time) time.Time {
	oldest := now
	for _, w := range workers {
		if w.State == string(machine.Serving) && w.Started.Before(oldest) {
			oldest = w.Started
		}
	}
	if asked.After(oldest) && asked.Before(now) {
		return asked
	}
	return oldest
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// waitOr waits until a time of the day. It returns false if something changed first.
func waitOr(ctx context.Context, until time.Time, changed <-chan struct{}) bool {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-changed:
			cancel()
		case <-waiting.Done():
		}
	}()
	return alarm.Wait(waiting, until) == nil
}

func (m *Master) clock() clock {
	return clock{machine: os.Hostname, app: m.app, changed: m.changed.Wait, roll: m.requestRoll,
		status: func() (pool.Status, error) { return m.running().Status() }}
}
