package master

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/upgrader"
)

// trial is how a roll's canary is tried, where that was asked for with the roll. What is nil
// is as the app says.
type trial struct {
	Canary *time.Duration `json:"canary,omitempty"`
	Share  *float64       `json:"share,omitempty"`
}

// askedTrial is that of a reload.
func askedTrial(o control.ReloadOptions) (t trial, err error) {
	if o.Canary != "" {
		lasts, err := config.ParseDuration(o.Canary)
		if err == nil && lasts < 0 {
			err = fmt.Errorf("cannot use a canary of %s: it is negative", lasts)
		}
		if err != nil {
			return t, err
		}
		t.Canary = &lasts
	}
	if o.Share != "" {
		share, err := config.ParseShare(o.Share)
		if err != nil {
			return t, err
		}
		t.Share = &share
	}
	return t, nil
}

// fits says whether the app's rolls can be tried so. What the app itself has is its own
// affair: a canary of 0 for one reload leaves its share without effect.
func (t trial) fits(app config.App) error {
	if t.Share == nil {
		return nil
	}
	canary := app.Canary
	if t.Canary != nil {
		canary = *t.Canary
	}
	return config.CheckTrial(canary, *t.Share)
}

// try has the generation's canary be tried so.
func (g *generation) try(t trial) {
	if g.trial = t; g.capturing != nil {
		g.capturing.share = g.share()
	}
}

// share is what the generation's canary gets; nil: as much as each other worker.
func (g *generation) share() *float64 { return cmp.Or(g.trial.Share, g.app.CanaryShare) }

// patience is that of the roll to the generation.
func (g *generation) patience() machine.Options {
	app := g.app
	if g.trial.Canary != nil {
		app.Canary = *g.trial.Canary
	}
	return patience(app)
}

// lead leads new clients to a worker that is ready. A canary gets its share of them where
// it has a socket of its own.
func (c *capturing) lead(l *upgrader.Listener, o pool.Order, inherits bool) error {
	if !o.Canary || c.share == nil {
		return l.Serve(o.ID, inherits)
	}
	err := l.Try(o.ID, inherits, int(math.Round(*c.share*10000)))
	if l.Shares(o.ID) && c.hold.all.once.First("share "+l.Address) {
		c.log.Warn("the canary takes clients as all others do, whatever its share is: workers share the socket",
			"address", l.Address,
			"share", config.ShareText(*c.share))
	}
	return err
}

// Admit ends the trial of a canary: launch.Sockets.
func (c *capturing) Admit(o pool.Order) {
	for _, l := range c.hold.listeners() {
		c.report(l.Admit(o.ID))
	}
}

var _ pool.Trials = (*generation)(nil)

// CanaryShare is what canaries of the generation get: pool.Trials.
func (g *generation) CanaryShare(worker string) (share, hint string) {
	wanted := g.share()
	if wanted == nil {
		return "", ""
	}
	var shared []string
	for _, l := range g.sockets.listeners() {
		if !l.Seated(worker) {
			shared = append(shared, l.Address)
		}
	}
	switch {
	case len(g.sockets.listeners()) == 0:
		hint = "the app has no listeners: the share means nothing"
	case len(shared) > 0:
		hint = "workers share " + strings.Join(shared, " and ") + ": there the canary takes clients as all others do; " +
			"a share is for programs that bind a TCP port by themselves"
	}
	return config.ShareText(*wanted), hint
}

// Promote ends the probation of the canary well: control.Master.
func (m *Master) Promote() (pool.Canary, error) {
	canary, err := m.running().Promote()
	return canary, refusedTrial("promote", err)
}

// Abort ends the roll, back to the generation that served before: control.Master.
func (m *Master) Abort() (control.Wait, error) {
	pending, err := m.running().Abort()
	if err != nil {
		return nil, refusedTrial("abort", err)
	}
	return m.waitFor(pending), nil
}

// refusedTrial says why there was nothing to promote or to abort.
func refusedTrial(verb string, err error) error {
	switch {
	case errors.Is(err, pool.ErrNotReady), errors.Is(err, pool.ErrReverting):
		return control.WithExit(fmt.Errorf("cannot %s: %w; relevo status shows the roll", verb, err), control.ExitBusy)
	case errors.Is(err, pool.ErrNotRolling), errors.Is(err, pool.ErrNoProbation):
		return control.WithExit(fmt.Errorf("cannot %s: %w; relevo status shows what serves", verb, err), control.ExitFailure)
	}
	return err
}
