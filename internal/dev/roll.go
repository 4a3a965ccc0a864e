package dev

import (
	"context"
	"fmt"
	"strings"
	"time"

	"relevo/internal/control"
	"relevo/pool"
	"relevo/pool/machine"
)

// Await blocks the master until there is something to start; failed is the reason why the last
// start failed.
func (d *Dev) Await(ctx context.Context, failed error) error {
	waiter := make(chan struct{})
	d.call(func() {
		d.start.serves, d.start.begun, d.start.waiter = false, false, waiter
		if next := d.start.next; next != nil {
			d.start.cycle, d.start.next, d.start.ready = *next, nil, true
		} else if failed != nil {
			d.fail(d.startFailure(failed))
		}
		if d.start.ready {
			d.letStart()
		}
	})
	select {
	case <-waiter:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-d.ended:
		return context.Canceled
	}
}

func (d *Dev) letStart() {
	if d.start.waiter != nil {
		close(d.start.waiter)
		d.start.waiter, d.start.ready, d.start.begun = nil, false, true
	}
}

// Serving tells the loop that the first workers serve.
func (d *Dev) Serving() {
	d.call(func() {
		if d.start.serves {
			return
		}
		d.start.serves, d.start.begun = true, false
		c := d.start.cycle
		d.mended()
		d.live(c, c.line(d.short)+" → live "+seconds(time.Since(c.first)))
		if d.opts.Dev.Open && !d.opened {
			d.opened = true
			d.open()
		}
		d.tasks.Go(d.follow)
		if next := d.start.next; next != nil {
			d.start.next = nil
			d.roll(d.ctx, *next)
		}
	})
}

// roll replaces the workers.
func (d *Dev) roll(ctx context.Context, c cycle) {
	d.now.names = nil
	switch {
	case d.start.serves:
	case !d.start.begun:
		d.start.cycle, d.start.ready = c, true
		d.letStart()
		return
	default: // a start is under way and has to end first
		d.start.next = &c
		return
	}
	d.ask(ctx, c, func() (control.Wait, error) {
		return d.master.Reload(control.ReloadOptions{Force: true})
	})
}

// ask makes the master begin a roll, and reports its result.
func (d *Dev) ask(ctx context.Context, c cycle, begin func() (control.Wait, error)) {
	d.rolling++
	d.rolls++
	number := d.rolls
	d.tasks.Go(func() {
		events, cancel, err := d.master.Subscribe()
		if err != nil {
			d.call(func() { d.rolling-- })
			return // the loop ends
		}
		defer cancel()
		before, _ := d.master.Dropped()
		asked := time.Now()
		wait, err := begin()
		var result pool.RollResult
		if err == nil {
			result, err = wait(ctx)
		}
		live := time.Now()
		after, known := d.master.Dropped()
		t := timesOf(events, result.Generation)
		t.asked, t.live, t.dropped, t.counted = asked, live, after-before, known
		if ctx.Err() != nil {
			return
		}
		d.call(func() { d.rolled(c, number, t, result, err) })
	})
}

func (d *Dev) rolled(c cycle, number int, t times, result pool.RollResult, err error) {
	d.rolling--
	d.busyTill = time.Now().Add(afterCycle)
	if number != d.rolls && err == nil && result.Result == machine.OK {
		return // a newer roll has replaced it, and reports the result
	}
	if err == nil && result.Result == machine.Aborted {
		return // the loop ends
	}
	if err != nil && c.back { // a rollback failed: the old workers serve, and no save is to blame
		d.say(Bad, err.Error())
		return
	}
	if err != nil || result.Result != machine.OK {
		d.fail(d.rollFailure(result, err))
		return
	}
	if !d.busyBuilding() && !d.plan.halted {
		d.mended()
	}
	d.live(c, c.line(d.short)+t.line(c))
	d.opts.Log.Debug("a cycle", "quiet", c.sent.Sub(c.first), "built", c.built, "prepared", t.forked.Sub(t.asked),
		"started", t.ready.Sub(t.forked), "rolled", t.live.Sub(t.ready), "all", t.live.Sub(c.first))
}

// live reports that the new version answers. The browser comes first, so that a page that is opened
// after the line was printed shows the new version and does not reload.
func (d *Dev) live(c cycle, line string) {
	if d.opts.Browser != nil {
		d.opts.Browser.Reload(c.paths)
	}
	d.say(Good, line)
	if d.opts.Dev.Delve {
		d.sayAttach()
	}
}

// times are the times of a roll.
type times struct {
	asked, forked, ready, live time.Time
	dropped                    int
	counted                    bool
}

// timesOf reads the times from the events so far.
func timesOf(events <-chan pool.Event, generation int) (t times) {
	for {
		select {
		case e, open := <-events:
			if !open {
				return t
			}
			if e.Generation != generation {
				continue
			}
			if e.Kind == pool.KindFork && t.forked.IsZero() {
				t.forked = e.Time
			}
			if e.Kind == pool.KindReady && t.ready.IsZero() {
				t.ready = e.Time
			}
		default:
			return t
		}
	}
}

func (t times) line(c cycle) string {
	text := ""
	if !t.forked.IsZero() && !t.ready.IsZero() {
		text = " → ready " + seconds(t.ready.Sub(t.forked))
	}
	text += " → live " + seconds(t.live.Sub(c.first))
	if t.counted {
		text += fmt.Sprintf(" (%d dropped)", t.dropped)
	}
	return text
}

// line is the beginning of the line that reports a cycle.
func (c cycle) line(short func(string) string) string {
	text := "started"
	switch n := len(c.paths); {
	case c.back:
		text = "back to the last good release"
	case n == 1:
		text = "saved " + short(c.paths[0])
	case n > 1:
		text = fmt.Sprintf("saved %s and %d more", short(c.paths[0]), n-1)
	}
	if c.built > 0 {
		text += " → built " + seconds(c.built)
	}
	return text
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

// follow reports what happens between rolls, until the pool ends.
func (d *Dev) follow() {
	events, cancel, err := d.master.Subscribe()
	if err != nil {
		return
	}
	defer cancel()
	for {
		select {
		case e, open := <-events:
			if !open {
				return
			}
			d.happened(e)
		case <-d.stopping:
			return
		}
	}
}

func (d *Dev) happened(e pool.Event) {
	switch {
	case e.Kind == pool.KindKilling && e.Open != nil && *e.Open > 0:
		d.say(Plain, fmt.Sprintf("worker %s was killed at the end of its time to drain, with %d connections open", e.ID,
			*e.Open))
	case e.Kind == pool.KindRoll && e.Step == pool.StepReverting:
		d.call(func() {
			if d.rolling == 0 { // a roll that the loop did not ask for: workers crash again and again
				d.fail(d.rollFailure(pool.RollResult{Reason: e.Reason, Hint: e.Hint, Tail: e.Tail, Automatic: true}, nil))
			}
		})
	}
}

func join(all ...string) string { return strings.Join(all, " · ") }

// sayAttach prints how to attach a debugger to the worker. A worker that a debugger has stopped
// cannot drain: after the next save it is killed at the end of its drain timeout.
func (d *Dev) sayAttach() {
	s, err := d.master.Status()
	if err != nil {
		return
	}
	for _, w := range s.Workers {
		if w.State == string(machine.Serving) {
			d.say(Plain, fmt.Sprintf("dlv attach %d", w.PID))
		}
	}
}
