// Package config is the configuration of an app: what to run, where to listen, how many
// workers, which time limits. It reads relevo.toml, RELEVO_* variables and flags into one
// validated App. Every error names its place and what would be accepted. One table,
// Settings, describes all settings.
package config

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"syscall"
	"time"

	"relevo/internal/runtimes"
)

// App is the whole configuration of one master.
type App struct {
	Name    string   // of the app: names its control socket and its state directory
	Command []string // program and arguments, placeholders not yet filled in
	Dir     string   // working directory of the workers, symbolic links not resolved
	Workers int      // number of slots, at least 1; the lowest one if MostWorkers is set, which may be 0
	// MostWorkers is the highest number of slots, where the load decides on it; 0: it does not.
	MostWorkers int
	Idle        time.Duration // without a client, after which no worker stays if Workers is 0
	After       []string      // apps that have to serve before this one starts
	Listen      []Listen
	// Blocking says that accept and recv on every listener wait. Resolve sets it in each Listen.
	Blocking bool

	Capture Capture
	Balance Balance
	Rescue  Rescue
	// NoPreload says that Node workers do not load relevo's preload.
	NoPreload bool
	// NodeLoad says that Node workers report how busy their event loop is.
	NodeLoad bool
	Compat   Compat

	Ready        Ready
	ReadyTimeout time.Duration
	Canary       time.Duration
	CanaryShare  *float64 // of new connections while on probation; nil: an equal part
	DrainTimeout time.Duration
	StopGrace    time.Duration
	Surge        int
	StopSignal   syscall.Signal
	Limits       Limits
	Health       Health

	Env         []string // K=V, or K alone: relevo's own; over the inherited environment and EnvFiles
	EnvInherit  EnvInherit
	EnvFiles    []string // read again for each generation
	Output      Output
	Logs        Logs
	Schedule    Schedule
	WatchBinary bool // roll when the bytes of the executable change

	ExecFrom     ExecFrom
	KeepReleases int // copies of executables kept for rollbacks, at least 1

	LogFormat LogFormat
	LogLevel  slog.Level

	Metrics   string  // TCP address at which Prometheus finds them; empty: only the control socket
	Upgrade   Upgrade // how relevo itself is replaced
	WatchSelf bool    // replace it when its own bytes change

	Dev Dev
}

// Defaults of App.
const (
	DefaultIdle         = 10 * time.Minute
	DefaultReadyTimeout = 30 * time.Second
	DefaultCanary       = time.Second
	DefaultDrainTimeout = 30 * time.Second
	DefaultSurge        = 1
	DefaultStopSignal   = syscall.SIGTERM
)

// Output says what happens to the workers' stdout and stderr.
type Output string

// The outputs.
const (
	// OutputAuto is OutputPrefix on a terminal and OutputPlain elsewhere, for
	// each of the two streams by itself.
	OutputAuto Output = "auto"
	// OutputPrefix puts "name/slot │ " before each line.
	OutputPrefix Output = "prefix"
	// OutputPlain passes the bytes on untouched; the master keeps the last lines
	// for the diagnosis of a failed start.
	OutputPlain Output = "plain"
	// OutputInherit gives the workers the master's own streams. Nothing passes
	// through the master, so it cannot quote the last lines either.
	OutputInherit Output = "inherit"
	// OutputFiles writes lines to files in the state directory, which rotate by
	// themselves and which relevo logs reads.
	OutputFiles Output = "files"
)

// Upgrade is how relevo itself is replaced by a newer one.
type Upgrade string

// The ways.
const (
	// UpgradeAuto is UpgradeExec if this process's pid must stay, in a container (PID 1) or
	// at a terminal, and otherwise UpgradeTableflip.
	UpgradeAuto Upgrade = "auto"
	// UpgradeTableflip starts the new relevo beside the old one, which ends when the
	// new one has taken over.
	UpgradeTableflip Upgrade = "tableflip"
	// UpgradeExec makes the running process the new relevo: its pid stays.
	UpgradeExec Upgrade = "exec"
)

// LogFormat is how the master's own log lines look.
type LogFormat string

// The formats.
const (
	LogAuto LogFormat = "auto" // for people on a terminal, LogText elsewhere
	LogText LogFormat = "text" // key=value
	LogJSON LogFormat = "json"
)

// Default returns an App with every default set.
func Default() App {
	return App{
		Workers:      CPUs(),
		Idle:         DefaultIdle,
		Capture:      CaptureAuto,
		Balance:      BalanceAuto,
		Rescue:       RescueLocal,
		Compat:       CompatOff,
		Ready:        Ready{Mode: ReadyAuto},
		ReadyTimeout: DefaultReadyTimeout,
		Canary:       DefaultCanary,
		DrainTimeout: DefaultDrainTimeout,
		Surge:        DefaultSurge,
		StopGrace:    DefaultStopGrace,
		StopSignal:   DefaultStopSignal,
		Limits:       Limits{LifetimeJitter: DefaultLifetimeJitter},
		Health: Health{
			Status: StatusRange{200, 399}, Interval: DefaultHealthInterval, Failures: DefaultHealthFailures,
		},
		Output:       OutputAuto,
		Logs:         DefaultLogs(),
		WatchBinary:  true,
		ExecFrom:     ExecAuto,
		KeepReleases: DefaultKeepReleases,
		LogFormat:    LogAuto,
		Upgrade:      UpgradeAuto,
		Dev:          Dev{Debounce: DefaultDebounce},
	}
}

// CPUs is the number of processors that this process may use: the affinity mask
// and the cgroup's limit count (Go 1.25 and later look at both).
func CPUs() int { return cpus }

// cpus is looked up at the start: a master limits its own number later.
var cpus = runtime.GOMAXPROCS(0)

// NameFor returns the default name of an app whose command works in dir: the base
// name of its program, of a script the script's or its directory's.
func NameFor(command []string, dir string) string { return NameOf(runtimes.AppName(command, dir)) }

// NameOf makes a name of a text. It replaces characters that a name may not have by "-".
func NameOf(text string) string {
	name := strings.Map(func(r rune) rune {
		if badInName(r) {
			return '-'
		}
		return r
	}, text)
	return strings.TrimLeft(name[:min(len(name), 63)], ".-")
}

// All stands for every app where commands take names.
const All = "all"

// CheckName returns an error if a name cannot be a file name on every system.
func CheckName(name string) error {
	if name == "" || len(name) > 63 || strings.ContainsFunc(name, badInName) || strings.ContainsRune(".-", rune(name[0])) {
		return fmt.Errorf("cannot use %q as a name: letters, digits and . _ - are allowed, at most 63, "+
			"not beginning with . or -", name)
	}
	return nil
}

func badInName(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	return !letter && !strings.ContainsRune("._-", r)
}
