package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// idle is a setting that has no effect because of the other settings.
type idle struct {
	key string // of the setting; may name an item: listen[1]
	// by is the setting that prevents the effect; empty: another setting is missing for it.
	by string
	// asks says that the user would wait for something that never happens: then the setting
	// is refused. Otherwise it is only remarked on, as it is if it has its default in a file
	// that lists the settings, or if a stronger source prevents the effect.
	asks bool
	text string // if asks, what follows "cannot": why it does not happen, and what to write
}

// Remarks returns the settings that were given and have no effect, each with its place. These
// are no errors: errors come from Resolve.
func (s Sources) Remarks() (all []string) {
	r := s.resolve()
	if len(r.errs) > 0 {
		return nil
	}
	for _, i := range r.idle() {
		if i.asks {
			i.text = "it has no effect to " + i.text
		}
		all = append(all, r.blame(problem{i.key, errors.New(i.text)}).Error())
	}
	return all
}

// refuseIdle returns an error for each setting that asks for something that never happens. If
// there are other errors it returns none, because those may be the reason.
func (r *resolved) refuseIdle() {
	if len(r.errs) > 0 {
		return
	}
	for _, i := range r.idle() {
		if r.refuses(i) {
			r.errs = append(r.errs, r.blame(problem{i.key, fmt.Errorf("cannot %s", i.text)}))
		}
	}
}

// refuses says whether a setting is refused. A flag may switch off what the file asks for, so
// the setting must not come from a weaker source than the one that prevents it.
func (r *resolved) refuses(i idle) bool {
	spelledOut := r.rank(i.key) == rankFile && r.isDefault(i.key) && r.listsAll()
	return i.asks && r.rank(i.by) <= r.rank(i.key) && !spelledOut
}

// listsAll says whether the file lists the settings, as the reference does, and not only those
// that its user wants: it has at least half of them.
func (r *resolved) listsAll() bool {
	all := Settings()
	listed := 0
	for _, s := range all {
		if s.Key != "" && r.rank(s.Key) == rankFile {
			listed++
		}
	}
	return 2*listed >= len(all)
}

// isDefault says whether a setting has its default.
func (r *resolved) isDefault(key string) bool {
	return slices.ContainsFunc(Settings(), func(s Setting) bool {
		return s.Key == key && s.Default != "" && s.render(&r.app) == s.Default
	})
}

// idle returns all settings without effect.
func (r *resolved) idle() []idle {
	return r.app.idle(func(key string) bool { return r.rank(key) > 0 })
}

// The ranks of the sources of settings; 0: no source gives it.
const (
	rankFile = 1 + iota
	rankVariable
	rankFlag
)

// rank returns the rank of the strongest source that gives a setting or a member of it.
func (r *resolved) rank(key string) int {
	setting := problem{key: key}.setting()
	if rank := r.ranks[setting]; rank > 0 {
		return rank
	}
	if r.file == nil {
		return 0
	}
	for place := range r.file.places {
		if place == key || strings.HasPrefix(place, key+".") {
			return rankFile
		}
	}
	return 0
}

// idle are the settings that have no effect, of those that are given.
func (a *App) idle(given func(key string) bool) (all []idle) {
	all = slices.Concat(a.idleShare(given), a.idleBalance(given), a.Health.idle(given), a.idleHealth(given),
		a.idleLogs(given), a.Schedule.idle(given), a.idleScale(given))
	if given("limits.lifetime_jitter") && a.Limits.MaxLifetime == 0 {
		all = append(all, idle{"limits.lifetime_jitter", "limits.max_lifetime", false,
			`limits.lifetime_jitter has no effect: no worker is replaced for its age; write max_lifetime = ` +
				`"24h" beside it`})
	}
	if delay := a.Ready.Delay; given("ready") && a.Ready.Mode == ReadyDelay && delay >= a.ReadyTimeout {
		all = append(all, idle{"ready", "ready_timeout", false,
			fmt.Sprintf("ready = %q has no effect: a worker that is not ready within %s (ready_timeout) has "+
				"failed; write ready_timeout = %q",
				a.Ready, DurationText(a.ReadyTimeout), DurationText(2*delay))})
	}
	if given("blocking") && a.Blocking && len(a.Listen) == 0 {
		all = append(all, idle{"blocking", "", false, "blocking has no effect: it is for the listeners of " +
			"relevo, and there is none; add one with --listen"})
	}
	if given("node_load") && a.NodeLoad && a.NoPreload {
		all = append(all, idle{"node_load", "no_preload", true, "have Node workers report their load: with no_preload " +
			"they load no file of relevo's that could do it; take one of the two away"})
	}
	if given("rescue") && a.Rescue != RescueOff && a.Capture == CaptureOff {
		all = append(all, idle{"rescue", "capture", false, fmt.Sprintf("rescue = %q has no effect: capture is "+
			"off, and relevo leads out only what binds its own port through it",
			a.Rescue)})
	}
	return all
}

// idleShare says why a canary's share has no effect.
func (a *App) idleShare(given func(key string) bool) []idle {
	if !given("canary_share") || a.CanaryShare == nil {
		return nil
	}
	without := func(why string) string {
		return fmt.Sprintf("canary_share of %s has no effect: %s, where the canary gets clients like all others",
			ShareText(*a.CanaryShare), why)
	}
	even := func(l Listen) bool { return l.Balance != "" && l.Balance != BalanceShared }
	err := CheckTrial(a.Canary, *a.CanaryShare)
	switch {
	case err != nil && given("canary"): // development has none by default
		return []idle{{"canary_share", "canary", true, strings.TrimPrefix(err.Error(), "cannot ")}}
	case err != nil:
	case a.Capture == CaptureOff:
		return []idle{{"canary_share", "capture", false, without("capture is off, and workers share each listener")}}
	case a.Balance == BalanceShared && !slices.ContainsFunc(a.Listen, even):
		return []idle{{"canary_share", "balance", false, without("balance is shared, and workers accept on one " +
			"socket")}}
	}
	return nil
}

// CheckTrial returns an error if a canary cannot be on probation in this way: for this time,
// with this share of the new connections.
func CheckTrial(canary time.Duration, share float64) error {
	if canary > 0 {
		return nil
	}
	return fmt.Errorf("cannot give a canary %s of the new connections: its probation is 0s, so it gets its part "+
		"as all others; "+
		"write a time for it: canary = \"10m\", or --canary 10m", ShareText(share))
}

// idleBalance says why a way to share a port has no effect.
func (a *App) idleBalance(given func(key string) bool) (all []idle) {
	own := map[string]Balance{"balance": a.Balance}
	for i, l := range a.Listen {
		own[fmt.Sprintf("listen[%d]", i)] = l.Balance
	}
	for _, key := range slices.Sorted(maps.Keys(own)) {
		switch b := own[key]; {
		case !given(key) || a.Capture != CaptureOff:
		case b == BalanceSticky:
			all = append(all, idle{key, "capture", false,
				"clients do not stick to workers, although balance is sticky: capture is off, and workers share " +
					"each listener"})
		case b == BalanceEven:
			all = append(all, idle{key, "capture", false, "balance is even without effect: capture is off, and " +
				"workers share each listener"})
		}
	}
	switch {
	case !given("balance") || len(all) > 0:
	case a.Balance == BalanceSticky && a.LargestPool() == 1:
		all = append(all, idle{"balance", "workers", false, "balance is sticky, and there is one worker, which " +
			"all clients go to: it has an effect from workers = 2 on"})
	case a.Balance == BalanceSticky && len(a.Listen) > 0 && !slices.ContainsFunc(a.Listen, Listen.IsTCP):
		all = append(all, idle{"balance", "listen", false,
			fmt.Sprintf("balance is sticky without effect on %s: a Unix socket or UDP is shared by all "+
				"workers", a.Listen[0])})
	}
	return all
}

// idle is what belongs to a check that is not asked for.
func (h *Health) idle(given func(key string) bool) (all []idle) {
	for _, key := range []string{"interval", "timeout", "failures", "start_period"} {
		if given("health."+key) && !h.On() {
			all = append(all, idle{"health." + key, "health.tcp", true, fmt.Sprintf("use health.%s without a "+
				"check, for nothing is asked: "+
				`write http = "/healthz", tcp = true or command = "./check" in [health], or --health /healthz`, key)})
		}
	}
	for _, key := range []string{"status", "body", "host", "headers"} {
		if given("health."+key) && h.HTTP == "" {
			all = append(all, idle{"health." + key, "health.tcp", true, fmt.Sprintf("use health.%s without a "+
				"check by HTTP: "+
				`write http = "/healthz" in [health], or --health /healthz`, key)})
		}
	}
	return all
}

// idleHealth says why a setting of a health check has no effect.
func (a *App) idleHealth(given func(key string) bool) (all []idle) {
	h := a.Health
	if !h.On() {
		return nil
	}
	// A worker that starts is asked until nine tenths of the ready timeout (master).
	if given("health.start_period") && h.StartPeriod > a.ReadyTimeout*9/10 {
		all = append(all, idle{"health.start_period", "ready_timeout", false,
			fmt.Sprintf("health.start_period of %s ends after %s where other workers serve, for ready_timeout "+
				"is %s; write ready_timeout = %q",
				DurationText(h.StartPeriod), DurationText(a.ReadyTimeout*9/10), DurationText(a.ReadyTimeout),
				DurationText(2*h.StartPeriod))})
	}
	by, why := "", ""
	switch {
	case a.Capture == CaptureOff:
		by, why = "capture", "capture is off"
	case a.Balance == BalanceShared:
		by, why = "balance", "balance is shared"
	}
	for key, on := range map[string]bool{"health.http": h.HTTP != "", "health.tcp": h.TCP} {
		if on && given(key) && by != "" {
			all = append(all, idle{key, by, false,
				key + " asks the pool as a whole, and no worker is replaced for it: " + why + `, and workers ` +
					`share each socket; command = "./check" asks each worker`})
		}
	}
	slices.SortFunc(all, func(a, b idle) int { return strings.Compare(a.key, b.key) })
	return all
}
