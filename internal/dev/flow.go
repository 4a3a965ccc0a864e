package dev

import (
	"context"
	"errors"
	"fmt"
	"time"

	"relevo/watch"
)

// batch handles changed files.
func (d *Dev) batch(ctx context.Context, b watch.Batch) {
	if len(b.Paths) == 0 {
		d.settled(ctx)
		return
	}
	if d.paused {
		d.hold(b.Paths)
		d.settled(ctx)
		return
	}
	now := time.Now()
	if left := d.loops.wait(b.Paths, now); left > 0 {
		d.hold(b.Paths)
		d.release.Reset(left)
		d.settled(ctx)
		return
	}
	during := d.busy() || b.First.Before(d.busyTill)
	if file := d.loops.began(b.Paths, during, now); file != "" {
		d.say(Bad, fmt.Sprintf("%s changes each time that something is built or started: its changes wait now; "+
			"if a program writes it, add it to .gitignore or leave it out with --watch '!%s'", d.short(file), d.short(file)))
	}
	d.changed(ctx, b)
}

// changed begins a cycle, or restarts the current one.
func (d *Dev) changed(ctx context.Context, b watch.Batch) {
	concerns, cancel := d.plan.changed(b.Paths)
	if d.made.goInput != nil && d.imports.changed(b.Paths) {
		d.relist(ctx)
	}
	if !concerns {
		d.settled(ctx)
		return
	}
	paths := b.Paths
	if d.busyBuilding() || d.settling || d.plan.halted {
		paths = union(d.now.paths, paths)
	}
	d.now = cycle{paths: paths, first: b.First, sent: b.Sent}
	d.settling = false
	if cancel && d.stop != nil {
		d.stop() // when it has ended, the next step begins
		return
	}
	d.step(ctx)
}

func (d *Dev) hold(paths []string) { d.held = union(d.held, paths) }

// letGo handles the changes that were held back.
func (d *Dev) letGo(ctx context.Context) {
	if d.paused || len(d.held) == 0 {
		return
	}
	if d.busy() || d.tree.Stirring() {
		d.release.Reset(100 * time.Millisecond)
		return
	}
	paths := d.held
	d.held = nil
	now := time.Now()
	d.changed(ctx, watch.Batch{Paths: paths, First: now, Sent: now})
}

// settled continues a cycle that only waited for quiet.
func (d *Dev) settled(ctx context.Context) {
	if d.settling {
		d.settling = false
		d.step(ctx)
	}
}

func (d *Dev) busyBuilding() bool { return d.plan.running >= 0 }

// busy says whether a cycle is under way.
func (d *Dev) busy() bool { return d.busyBuilding() || d.rolling > 0 || d.settling }

// step begins the next step, or else the roll.
func (d *Dev) step(ctx context.Context) {
	if d.busyBuilding() {
		return
	}
	if i, ok := d.plan.next(); ok {
		d.runStep(ctx, i)
		return
	}
	if !d.plan.idle() || d.plan.halted {
		return
	}
	if d.plan.roll && d.tree.Stirring() {
		d.settling = true // there may be a newer save on its way
		return
	}
	if d.plan.takeRoll() {
		d.now.done = time.Now()
		d.roll(ctx, d.now)
		return
	}
	if len(d.now.names) > 0 {
		d.builtOnly()
	}
}

func (d *Dev) runStep(ctx context.Context, i int) {
	s := d.made.steps[i]
	running, stop := context.WithCancel(ctx)
	d.stop = stop
	d.opts.Log.Debug("a step begins", "step", s.name)
	d.tasks.Go(func() {
		defer stop()
		result := s.job.run(running)
		same := false
		if result.err == nil {
			same, result.err = s.place()
		}
		cancelled := running.Err() != nil
		d.call(func() { d.stepEnded(ctx, i, result, same, cancelled) })
	})
}

func (d *Dev) stepEnded(ctx context.Context, i int, result outcome, same, cancelled bool) {
	s := d.made.steps[i]
	d.opts.Log.Debug("a step has ended", "step", s.name, "err", result.err, "cancelled", cancelled, "took", result.took,
		"same", same)
	d.stop = nil
	d.busyTill = time.Now().Add(afterCycle)
	if ctx.Err() != nil {
		return
	}
	good := result.err == nil && !cancelled
	rollBefore := d.plan.roll
	d.plan.ended(good, cancelled)
	if cancelled {
		d.step(ctx)
		return
	}
	d.now.built += result.took
	d.now.names = append(d.now.names, s.name)
	if !good {
		d.fail(d.buildFailure(s, result))
		return
	}
	if same && d.start.serves && !rollBefore {
		d.plan.roll = false
	}
	if d.writes(i) {
		d.absorb(ctx)
	}
	d.step(ctx)
}

// writes says whether a step may have written inputs of later steps.
func (d *Dev) writes(i int) bool { return d.made.steps[i].out == "" }

// absorb adds what a step has written to the current cycle, so that it begins no new one.
func (d *Dev) absorb(ctx context.Context) {
	paths := d.tree.Sync(ctx)
	if len(paths) == 0 {
		return
	}
	now := time.Now()
	if file := d.loops.began(paths, true, now); file != "" && d.loops.wait(paths, now) > 0 {
		d.say(Bad, fmt.Sprintf("%s changes each time that something is built: its changes wait now; "+
			"add it to .gitignore or leave it out with --watch '!%s'", d.short(file), d.short(file)))
		d.hold(paths)
		d.release.Reset(d.loops.wait(paths, now))
		return
	}
	d.plan.changed(paths)
	if d.made.goInput != nil && d.imports.changed(paths) {
		d.relist(ctx)
	}
}

// relist asks the go command again which files the program consists of, and watches those.
func (d *Dev) relist(ctx context.Context) {
	since := time.Now()
	d.tasks.Go(func() {
		packages, work, err := listGo(ctx, d.opts.Dir, d.opts.Dev.Package)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
				d.opts.Log.Debug("cannot list the packages: the watched files stay the same", "err", err)
			}
			return
		}
		d.tree.Watch(ctx, d.made.takeGo(packages, work, since))
	})
}

// builtOnly ends a cycle that replaces no workers.
func (d *Dev) builtOnly() {
	c := d.now
	d.now.names = nil
	d.mended()
	if d.opts.Browser != nil {
		d.opts.Browser.Reload(c.paths)
	}
	d.say(Good, c.line(d.short)+" → nothing to replace")
}

// afterCycle is how long after a cycle a change still counts as part of it: a program may write
// files when it starts.
const afterCycle = 300 * time.Millisecond
