package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"relevo/bench/figures"
	"relevo/internal/control"
)

// sleepIdle is after which time without a client the app of this measurement sleeps.
const sleepIdle = time.Second

// asleep measures what the first client of an app that sleeps waits for, in pairs with a start of
// the same program without relevo.
func asleep(ctx context.Context, b *bench) error {
	a, err := b.startCaptured(ctx, 1, "-n", "0..1", "--idle", sleepIdle.String())
	if err != nil {
		return err
	}
	var more []float64
	for range b.plan.wakes {
		took, pairErr := a.timeWake(ctx)
		own, ownErr := b.timeStart(ctx)
		if err = errors.Join(pairErr, ownErr); err != nil {
			return errors.Join(err, a.stop())
		}
		more = append(more, figures.Milliseconds(took-own))
	}
	b.table.row(fmt.Sprintf("first answer of an app that sleeps − that of the bare program from its start, %d times, ms",
		b.plan.wakes), figures.Spread(more, "%.1f"), "≤ 30")
	b.table.row("requests lost meanwhile", "0", "0") // each lost one is an error above
	if err = a.awaitSleep(ctx); err == nil {
		err = a.awaitRest(ctx)
	}
	before := wakeups(a.process.Process.Pid)
	if err == nil {
		err = pause(ctx, b.plan.idle)
	}
	b.table.row(fmt.Sprintf("wake-ups of the master of an app that sleeps in %s", b.plan.idle),
		fmt.Sprint(wakeups(a.process.Process.Pid)-before), "0")
	return errors.Join(err, a.stop())
}

// timeWake waits until the app sleeps, and asks it.
func (a *app) timeWake(ctx context.Context) (time.Duration, error) {
	if err := a.awaitSleep(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	_, err := ask(ctx, "http://"+a.address+"/")
	return time.Since(began), err
}

// awaitSleep waits until no process of the app is left.
func (a *app) awaitSleep(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	sleeps := func(s control.Status) bool { return !s.Asleep.IsZero() && len(s.Workers) == 0 }
	for {
		status, err := a.client.Status(waiting)
		if err != nil {
			return fmt.Errorf("cannot wait for the sleep: %w", err)
		}
		if sleeps(status) {
			return nil
		}
		if err := pause(waiting, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// awaitRest waits until the master has slept for restsFor: after a worker has gone the listeners are
// looked at for a while, and Go's runtime gives memory back.
func (a *app) awaitRest(ctx context.Context) error {
	const restsFor = 5 * time.Second
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		before := wakeups(a.process.Process.Pid)
		if err := pause(waiting, restsFor); err != nil {
			return fmt.Errorf("cannot wait until the master rests: %w", err)
		}
		if wakeups(a.process.Process.Pid) == before {
			return nil
		}
	}
}

// timeStart starts the program without relevo, and asks it as soon as it listens.
func (b *bench) timeStart(ctx context.Context) (time.Duration, error) {
	address, err := figures.FreeAddress()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	alone, err := b.startAlone(b.self, plainVerb, address)
	if err != nil {
		return 0, err
	}
	defer alone.stop()
	_, err = ask(ctx, "http://"+address+"/")
	return time.Since(began), err
}
