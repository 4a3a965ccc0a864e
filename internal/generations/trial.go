package generations

import (
	"cmp"
	"fmt"
	"math"
	"strings"
	"time"

	"relevo/internal/config"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/upgrader/listeners"
)

// Trial is how to try a roll's canary, if the roll was requested with such options. A nil field
// means the app's own setting.
type Trial struct {
	Canary *time.Duration `json:"canary,omitempty"`
	Share  *float64       `json:"share,omitempty"`
}

// ParseTrial parses the options of a roll; an empty one means the app's own setting.
func ParseTrial(canary, share string) (t Trial, err error) {
	if canary != "" {
		lasts, err := config.ParseDuration(canary)
		if err == nil && lasts < 0 {
			err = fmt.Errorf("cannot use a canary of %s: it is negative", lasts)
		}
		if err != nil {
			return t, err
		}
		t.Canary = &lasts
	}
	if share != "" {
		part, err := config.ParseShare(share)
		if err != nil {
			return t, err
		}
		t.Share = &part
	}
	return t, nil
}

// Fits says whether the app's rolls can be tried this way. Only a share that the roll asks for is
// checked: a canary of 0 for one reload leaves the app's own share without effect.
func (t Trial) Fits(app config.App) error {
	if t.Share == nil {
		return nil
	}
	canary := app.Canary
	if t.Canary != nil {
		canary = *t.Canary
	}
	return config.CheckTrial(canary, *t.Share)
}

// Try sets how the generation's canary is tried.
func (g *Generation) Try(t Trial) {
	if g.trial = t; g.capturing != nil {
		g.capturing.share = g.share()
	}
}

// share is the canary's part of new connections; nil: as much as each other worker.
func (g *Generation) share() *float64 { return cmp.Or(g.trial.Share, g.app.CanaryShare) }

// Patience returns the time limits of a roll to the generation.
func (g *Generation) Patience() machine.Options {
	app := g.app
	if g.trial.Canary != nil {
		app.Canary = *g.trial.Canary
	}
	return Patience(app)
}

// lead directs new clients to a worker that is ready. A canary gets its share of them if it has a
// socket of its own.
func (c *capturing) lead(l *listeners.Listener, o pool.Order, inherits bool) error {
	if !o.Canary || c.share == nil {
		return l.Serve(o.ID, inherits)
	}
	err := l.Try(o.ID, inherits, int(math.Round(*c.share*10000)))
	if l.Shares(o.ID) && c.hold.all.once.First("share "+l.Address) {
		c.log.Warn("the canary gets clients like all others, whatever its share is: workers share the socket",
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

// Patience returns the time limits of an app's rolls.
func Patience(app config.App) machine.Options {
	canary := app.Canary
	if canary == 0 {
		canary = -1 // the machine's value for none
	}
	return machine.Options{
		Surge: app.Surge, Canary: canary, ReadyTimeout: app.ReadyTimeout, DrainTimeout: app.DrainTimeout,
		StopGrace:   app.StopGrace,
		MaxLifetime: app.Limits.MaxLifetime, LifetimeJitter: app.Limits.LifetimeJitter, Watchdog: app.Limits.Watchdog,
	}
}

var _ pool.Trials = (*Generation)(nil)

// CanaryShare is the share of the generation's canaries: pool.Trials.
func (g *Generation) CanaryShare(worker string) (share, hint string) {
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
		hint = "workers share " + strings.Join(shared, " and ") + ": there the canary gets clients like all others; " +
			"a share is for programs that bind a TCP port by themselves"
	}
	return config.ShareText(*wanted), hint
}
