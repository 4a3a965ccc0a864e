package prove

import (
	"context"
	"fmt"
	"time"
)

// tail is how long the load continues after the last roll or kill, so that requests
// that break at its end are counted, too.
const tail = 250 * time.Millisecond

// Run loads the app, rolls or kills its workers meanwhile as the options say, and
// reports. It returns when every goroutine and connection that it made is gone.
//
// Lost requests and failed rolls are not errors: the Report counts them. An error
// means that the proof could not be made: the options are wrong; the app does not
// answer before the load, or has no serving worker; ctx ended (the Report then has
// what was counted so far); or this machine could send nothing for a long time.
func Run(ctx context.Context, o Options) (Report, error) {
	l, err := prepare(o)
	if err != nil {
		return Report{}, err
	}
	return l.run(ctx)
}

func prepare(o Options) (*load, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	e, err := newEndpoint(o)
	if err != nil {
		return nil, err
	}
	return newLoad(o, e), nil
}

func (l *load) run(ctx context.Context) (Report, error) {
	why, err := l.check(ctx)
	if err != nil {
		return Report{}, err
	}
	tell := newReporter(l)
	r := &roller{load: l, told: tell.roll}
	k := newKiller(l, why)
	d := &repeater{load: l, runs: Runs{Command: l.options.Command}}
	tell.roller, tell.killer, tell.repeater = r, k, d

	l.begin(ctx)
	ended := tell.begin()
	l.drive(ctx, r, k, d)
	l.end()
	ended()
	return conclude(ctx, l, r, k, d)
}

// drive keeps the load going for as long as the options ask.
func (l *load) drive(ctx context.Context, r *roller, k *killer, d *repeater) {
	const patience = time.Second // after that, a slow app is rolled before it has answered each client
	deadline := time.Now().Add(patience)
	l.until(func() bool { return l.warm() || time.Now().After(deadline) })

	noMore, killed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(killed)
		if l.options.Kill {
			k.run(ctx, noMore)
		}
	}()
	if l.options.Rolls > 0 {
		r.run(ctx)
	}
	if l.options.During != nil {
		d.run(ctx)
	}
	l.pause(l.options.Duration - time.Since(l.started))
	l.until(l.enough)
	close(noMore)
	<-killed
	if l.options.Rolls > 0 || l.options.Kill {
		l.pause(tail)
	}
}

func conclude(ctx context.Context, l *load, r *roller, k *killer, d *repeater) (Report, error) {
	report := l.report()
	runs, hopeless := d.sofar()
	if l.options.During != nil {
		report.During = &runs
	}
	if l.options.Rolls > 0 {
		rolls := r.sofar()
		report.Rolls = &rolls
	}
	if l.options.Kill {
		kills := k.sofar()
		report.Kills = &kills
	}
	switch {
	case ctx.Err() != nil:
		report.CutShort = true
		return report, fmt.Errorf("cannot finish the run against %s: %w", l.options.URL, context.Cause(ctx))
	case hopeless != nil:
		return report, hopeless
	case l.stalled.Load():
		return report, l.stall()
	}
	return report, nil
}

// reporter tells Options.Progress how the run goes, and ends a load that can
// send nothing at all.
type reporter struct {
	*load
	roller   *roller
	killer   *killer
	repeater *repeater
	rolls    chan Roll
	quit     chan struct{}
	gone     chan struct{}
}

func newReporter(l *load) *reporter {
	return &reporter{load: l, rolls: make(chan Roll), quit: make(chan struct{}), gone: make(chan struct{})}
}

// begin starts the reports; the function that it returns ends them.
func (r *reporter) begin() (end func()) {
	go r.run()
	return func() {
		close(r.quit)
		<-r.gone
	}
}

// roll reports a roll. The roller calls it, and ends before the reporter.
func (r *reporter) roll(roll Roll) { r.rolls <- roll }

func (r *reporter) run() {
	defer close(r.gone)
	second := time.NewTicker(time.Second)
	defer second.Stop()
	patience := 3*r.options.Timeout + 10*time.Second
	var finished int64
	moved := time.Now()
	for {
		select {
		case <-second.C:
			if n := r.finished(""); n != finished {
				finished, moved = n, time.Now()
			} else if time.Since(moved) > patience {
				r.stalled.Store(true)
				r.noMore()
			}
			r.tell(nil)
		case roll := <-r.rolls:
			r.tell(&roll)
		case <-r.quit:
			r.tell(nil)
			return
		}
	}
}

func (r *reporter) tell(roll *Roll) {
	if r.options.Progress == nil {
		return
	}
	p := r.count("")
	p.Elapsed = time.Since(r.started)
	rolls, kills := r.roller.sofar(), r.killer.sofar()
	p.Rolls, p.FailedRolls, p.Kills = rolls.Done, rolls.Failed, kills.Count
	runs, _ := r.repeater.sofar()
	p.Runs, p.FailedRuns = runs.Done, runs.Failed
	p.Roll = roll
	r.options.Progress(p)
}
