package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// problem is an error of one setting. Its key may name an item: listen[1].
type problem struct {
	key string
	err error
}

func (p problem) setting() string {
	key, _, _ := strings.Cut(p.key, "[")
	return key
}

// minWatchdog keeps a busy worker from being taken for one that hangs.
const minWatchdog = 100 * time.Millisecond

// minLifetime keeps relevo from doing nothing but replace workers.
const minLifetime = 100 * time.Millisecond

// minMemory finds values whose unit was forgotten.
const minMemory = 1 << 20

// Every listener is compared with all listeners before it, and takes a descriptor in each
// worker, so their number is limited.
const (
	maxListeners = 512
	maxEnvFiles  = 512
)

// Validate checks ranges, and contradictions between settings. It returns all errors.
func (a *App) Validate() error {
	var errs []error
	for _, p := range a.problems() {
		errs = append(errs, p.err)
	}
	return errors.Join(errs...)
}

func (a *App) problems() (all []problem) {
	wrong := func(is bool, key, format string, args ...any) {
		if is {
			all = append(all, problem{key, fmt.Errorf(format, args...)})
		}
	}
	wrong(len(a.Command) == 0 || a.Command[0] == "", "command",
		`cannot run: no command given (usage: relevo run [flags] -- COMMAND ARG…, or command = `+
			`["./server"] in relevo.toml)`)
	if err := CheckName(a.Name); err != nil {
		wrong(len(a.Command) > 0 || a.Name != "", "name", "%w; choose one with --name", err)
	}
	wrong(a.Name == All, "name", `cannot call an app "all", which commands take for every app; `+
		`choose another name with --name`)
	for i, name := range a.After {
		if err := CheckName(name); err != nil {
			wrong(true, fmt.Sprintf("after[%d]", i), "%w", err)
		}
		wrong(name == a.Name, fmt.Sprintf("after[%d]", i), "cannot start %s after itself: remove it from after", name)
	}
	wrong(a.ReadyTimeout <= 0, "ready_timeout", "cannot run without patience: the ready timeout must be above 0")
	wrong(a.DrainTimeout <= 0, "drain_timeout", "cannot run without patience: the drain timeout must be above 0")
	wrong(a.Canary < 0, "canary", "cannot use a canary of %s: it is negative", a.Canary)
	if s := a.CanaryShare; s != nil {
		wrong(!(*s >= 0 && *s <= maxShare), "canary_share",
			"cannot give a canary %s of the new connections: 0%% to 50%% are possible", ShareText(*s))
	}
	wrong(a.StopGrace < 0, "stop_grace", "cannot use a stop grace of %s: it is negative", a.StopGrace)
	wrong(a.Surge < 1, "surge", "cannot roll with a surge of %d: at least 1 is needed", a.Surge)
	wrong(a.KeepReleases < 1, "keep_releases", "cannot keep %d releases: at least 1 is needed for a rollback",
		a.KeepReleases)
	if len(a.Listen) > maxListeners {
		wrong(true, fmt.Sprintf("listen[%d]", maxListeners), "cannot open %d listeners: at most %d are possible",
			len(a.Listen), maxListeners)
	}
	if len(a.EnvFiles) > maxEnvFiles {
		wrong(true, fmt.Sprintf("env_files[%d]", maxEnvFiles), "cannot read %d environment files: at most %d are possible",
			len(a.EnvFiles), maxEnvFiles)
	}
	for i := range a.Listen[:min(len(a.Listen), maxListeners)] {
		if err := listenProblem(a.Listen, i); err != nil {
			all = append(all, problem{fmt.Sprintf("listen[%d]", i), err})
		}
	}
	return slices.Concat(all, a.workerProblems(), a.Limits.problems(), a.Logs.problems(), a.Health.problems(),
		a.Schedule.problems())
}

func (l *Limits) problems() (all []problem) {
	wrong := func(is bool, key, format string, args ...any) {
		if is {
			all = append(all, problem{key, fmt.Errorf(format, args...)})
		}
	}
	outside := func(n *int, low, high int) bool { return n != nil && (*n < low || *n > high) }
	wrong(l.MaxMemory != 0 && l.MaxMemory < minMemory, "limits.max_memory",
		"cannot limit the memory to %d bytes: at least 1MiB, or 0 for no limit", l.MaxMemory)
	wrong(l.MaxLifetime != 0 && l.MaxLifetime < minLifetime, "limits.max_lifetime",
		"cannot use a lifetime of %s: at least %s, or 0 for no limit", l.MaxLifetime, minLifetime)
	wrong(!(l.LifetimeJitter >= 0 && l.LifetimeJitter <= 1), "limits.lifetime_jitter",
		"cannot use a jitter of %g: 0 to 1, or 0%% to 100%%", l.LifetimeJitter)
	wrong(l.Watchdog != 0 && l.Watchdog < minWatchdog, "limits.watchdog",
		"cannot use a watchdog of %s: at least %s, or 0 for none", l.Watchdog, minWatchdog)
	if outside(l.Nice, -20, 19) {
		wrong(true, "limits.nice", "cannot use a nice value of %d: -20 to 19", *l.Nice)
	}
	if outside(l.OOMScoreAdj, -1000, 1000) {
		wrong(true, "limits.oom_score_adj", "cannot use %d for oom_score_adj: -1000 to 1000", *l.OOMScoreAdj)
	}
	if outside(l.Umask, 0, 0o777) {
		wrong(true, "limits.umask", "cannot use a umask of %#o: 0 to 0777", *l.Umask)
	}
	return all
}
