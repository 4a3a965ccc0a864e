package conductor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"relevo/internal/fleet/plan"
	"relevo/internal/fleet/relevo-fleet/store"
)

// Options of a conductor.
type Options struct {
	Client *store.Client
	App    string
	Who    store.Conductor // Checks says whether it runs the checks of deploys
	Log    *slog.Logger
	TTL    int // seconds after which another one may follow; default 10
}

// Run campaigns, and conducts while it is elected, until ctx ends.
func Run(ctx context.Context, o Options) {
	if o.TTL == 0 {
		o.TTL = 10
	}
	for ctx.Err() == nil {
		office, err := o.Client.Campaign(ctx, o.App, o.Who, o.TTL)
		if err != nil {
			if ctx.Err() == nil {
				o.Log.Warn("cannot become the conductor; tries again", "app", o.App, "err", err)
				sleep(ctx, time.Second)
			}
			continue
		}
		o.Log.Debug("became the conductor", "app", o.App)
		o.conduct(ctx, office)
		office.Resign()
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// conduct gives turns until the office is lost, or ctx ends.
func (o Options) conduct(ctx context.Context, office *store.Office) {
	ctx, cancel := context.WithCancel(ctx)
	mirror := o.Client.Follow(ctx)
	c := &conducting{Options: o, office: office, mirror: mirror, checks: checks{ended: make(chan verdict)}}
	defer func() {
		cancel()
		c.checks.wait()
		mirror.Wait()
	}()
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		select {
		case <-mirror.Changed:
		case <-again.C:
		case v := <-c.checks.ended:
			c.checks.take(v)
		case <-office.Lost:
			return
		case <-ctx.Done():
			return
		}
		if after := c.step(ctx); after > 0 {
			again.Reset(after)
		}
	}
}

// conducting is one time in office. Its fields are the loop's own.
type conducting struct {
	Options
	office  *store.Office
	mirror  *store.Mirror
	written int64 // the revision of the last change: what the mirror shows before it is old
	clock   clock
	checks  checks
}

// scene is what one look shows.
type scene struct {
	deploy   store.Deploy
	machines []plan.Machine
	turns    map[string]bool // machines that have the turn of the open stage
	blind    bool            // it is old, for etcd cannot be followed
}

func (c *conducting) look() (s scene) {
	_, lost := c.mirror.Look(func(v *store.View) { // what is decided while etcd is away cannot be written
		s.deploy = v.Deploys[c.App]
		s.machines = v.Machines(c.App)
		s.turns = map[string]bool{}
		for machine, t := range v.Turns[c.App] {
			s.turns[machine] = t.ID == s.deploy.TurnID()
		}
	})
	s.blind = lost != nil
	return s
}

// retry is how long to wait after etcd has not answered.
const retry = time.Second

// step decides and does one thing. It returns when to look again; 0: after a change.
func (c *conducting) step(ctx context.Context) time.Duration {
	s := c.look()
	if s.deploy.ID == 0 || s.deploy.Revision() < c.written {
		return 0
	}
	now := time.Now()
	c.clock.look(s, now)
	seen := c.clock.seen(now)
	c.checks.look(ctx, c.Options, s.deploy, c.clock.bakes(), &seen)
	a := plan.Next(s.deploy.Deploy, s.machines, seen)
	if a.Kind != plan.Wait {
		return c.perform(ctx, s.deploy, a)
	}
	if _, err := c.office.GiveTurns(ctx, s.deploy, func(m string) bool { return s.turns[m] || done(s, m) }); err != nil {
		return c.trouble(err)
	}
	if s.deploy.Check != "" && c.clock.bakes() && (a.After == 0 || a.After > checkEvery) {
		return checkEvery
	}
	return a.After
}

// done says whether a member needs no turn any more.
func done(s scene, machine string) bool {
	for _, m := range s.machines {
		if m.Name == machine {
			return m.Turn == plan.Done || m.Turn == plan.Failed
		}
	}
	return false
}

func (c *conducting) perform(ctx context.Context, d store.Deploy, a plan.Action) time.Duration {
	next, err := c.office.Perform(ctx, d, a)
	switch {
	case errors.Is(err, store.ErrChanged):
		return 0 // an operator was faster, or the office is lost: both are seen soon
	case err != nil:
		return c.trouble(err)
	}
	c.written = next.Revision()
	c.Log.Info(string(a.Kind), "app", d.App, "deploy", d.ID, "state", next.State, "stage", next.Stage,
		"members", a.Members, "reason", a.Reason)
	if next.State.Over() {
		if err := c.Client.Trim(ctx, d.App, d.ID); err != nil {
			c.Log.Warn("cannot remove old records", "app", d.App, "err", err)
		}
	}
	return 0
}

func (c *conducting) trouble(err error) time.Duration {
	if !errors.Is(err, context.Canceled) {
		c.Log.Warn("cannot continue for now", "app", c.App, "err", err)
	}
	return retry
}
