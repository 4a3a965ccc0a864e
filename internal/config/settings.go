package config

import (
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"weak"
)

// Settings returns every setting, in the order in which help and files have them. All callers
// share the table.
func Settings() []Setting {
	cached.Lock()
	defer cached.Unlock()
	if all := cached.settings.Value(); all != nil {
		return *all
	}
	all := slices.Concat(appSettings(), limitSettings(), logSettings(), healthSettings(), scheduleSettings(),
		devSettings())
	cached.settings = weak.Make(&all)
	return all
}

// cached has the settings until the next collection of garbage. A master needs them only when it
// reads its configuration; in between they would take 80 KB.
var cached struct {
	sync.Mutex
	settings weak.Pointer[[]Setting]
}

// appSettings are those above the first table.
func appSettings() []Setting {
	all := slices.Concat(programSettings(), rollSettings(), releaseSettings(), masterSettings())
	for i := range all {
		switch s := &all[i]; s.Key {
		case "workers":
			s.Short, s.Default = "n", `"auto"` // the number depends on the machine
		case "listen":
			s.Short = "l"
		case "env":
			s.Secret = true
		}
	}
	return all
}

// programSettings say what runs, and where clients find it.
func programSettings() []Setting {
	return []Setting{
		one("name", "name", plain("NAME", "shop"), Restart, func(a *App) *string { return &a.Name },
			"name of the app (default: base name of the program, of the script or of the script's directory; serve; "+
				"in dev that of the package's program)"),
		many("command", "", argument(), Roll, func(a *App) *[]string { return &a.Command },
			"program or script, and its arguments; {fd} {fd:NAME} {addr} {addr:NAME} {slot} are replaced by values"),
		one("directory", "directory", plain("DIR", "."), Roll, func(a *App) *string { return &a.Dir },
			"working directory of the workers (default: that of relevo.toml if the command is there, else the current one)"),
		workersSetting(), idleSetting(),
		many("after", "after", plain("APP", "db"), Restart, func(a *App) *[]string { return &a.After },
			"apps of this machine that have to serve before this one starts"),
		many("listen", "listen", listeners(), Roll, func(a *App) *[]Listen { return &a.Listen },
			"listen on :8080, 127.0.0.1:0, [::1]:80, unix:/path.sock, unix:@abstract, udp:…; ,mode=0660, ,backlog=N, "+
				",balance=HOW and ,blocking may follow"),
		one("blocking", "blocking", boolean(), Roll, func(a *App) *bool { return &a.Blocking },
			"make the listeners blocking, for simple programs without an event loop; for one listener alone write "+
				",blocking after it"),
		one("capture", "capture", choice("WHAT", oneOf("capture", CaptureAuto, CaptureOff), CaptureAuto, CaptureOff), Roll,
			func(a *App) *Capture { return &a.Capture },
			"give programs that bind their own port a socket of the master's instead: auto, off"),
		one("balance", "balance", choice("HOW", oneOf("balance", BalanceAuto, BalanceShared, BalanceEven, BalanceSticky),
			BalanceAuto, BalanceShared, BalanceEven, BalanceSticky),
			Roll, func(a *App) *Balance { return &a.Balance },
			"how programs that bind their own port share it: even (one socket for each worker), sticky (even, and each "+
				"client keeps its slot), shared (one socket for all), auto (even where possible)"),
		one("rescue", "rescue", choice("WHOSE", oneOf("rescue", RescueOff, RescueLocal, RescueOn), RescueOff, RescueLocal,
			RescueOn),
			Roll, func(a *App) *Rescue { return &a.Rescue },
			"which clients keep idle connections when a worker that cannot drain leaves: off (none), local (those on this "+
				"host), on (all; the app sees remote clients with an address of this host)"),
		one("no_preload", "no-preload", boolean(), Roll, func(a *App) *bool { return &a.NoPreload },
			"do not load relevo's file (node --require) into Node workers; with it, leaving workers close HTTP/2, TLS and "+
				"WebSockets gracefully"),
		one("node_load", "node-load", boolean(), Roll, func(a *App) *bool { return &a.NodeLoad },
			"Node workers report how busy their event loop is, for workers = \"2..8\" and for relevo status --usage"),
		one("compat", "compat", choice("MANAGER", oneOf("compat", CompatOff, CompatPM2), CompatOff, CompatPM2), Roll,
			func(a *App) *Compat { return &a.Compat },
			"conventions of another manager for workers: pm2 (SIGINT, the message shutdown, process.send('ready'), pm_id, "+
				"NODE_APP_INSTANCE), off"),
	}
}

// rollSettings say how a worker comes and goes.
func rollSettings() []Setting {
	return []Setting{
		one("ready", "ready", written("HOW", "auto", ParseReady, Ready.String), Roll, func(a *App) *Ready { return &a.Ready },
			"how relevo knows that a worker is ready: auto, notify, ipc or delay=D"),
		one("ready_timeout", "ready-timeout", duration(), Live, func(a *App) *time.Duration { return &a.ReadyTimeout },
			"how long a worker may take to get ready"),
		one("canary", "canary", duration(), Live, func(a *App) *time.Duration { return &a.Canary },
			"probation of the first worker of a roll; 0 for none"),
		one("canary_share", "canary-share", optional(share()), Live, func(a *App) **float64 { return &a.CanaryShare },
			"part of new connections for that worker during probation, 0% (only relevo's probes) to 50% (default: "+
				"as many as each other worker)"),
		one("drain_timeout", "drain-timeout", duration(), Live, func(a *App) *time.Duration { return &a.DrainTimeout },
			"how long a leaving worker may take to finish its connections"),
		one("stop_grace", "stop-grace", duration(), Live, func(a *App) *time.Duration { return &a.StopGrace },
			"time from the stop signal to SIGKILL if nothing is left to drain"),
		one("stop_signal", "stop-signal", written("SIGNAL", "TERM", ParseSignal, shortSignal), Roll,
			func(a *App) *syscall.Signal { return &a.StopSignal },
			"signal that asks a worker to drain if it does not use relevo's IPC"),
		one("surge", "surge", number(1, 1, 0), Live, func(a *App) *int { return &a.Surge },
			"how many slots a roll replaces at a time"),
	}
}

// releaseSettings say which bytes and which environment a worker starts with.
func releaseSettings() []Setting {
	return []Setting{
		one("watch_binary", "watch-binary", boolean(), Live, func(a *App) *bool { return &a.WatchBinary },
			"roll when the bytes of the executable change"),
		one("exec_from", "exec-from", choice("WHAT", oneOf("exec_from", ExecAuto, ExecSnapshot, ExecPath), ExecAuto,
			ExecSnapshot, ExecPath),
			Roll, func(a *App) *ExecFrom { return &a.ExecFrom },
			"the file workers start from: path, snapshot (the kept copy), auto (the path while it holds the release's bytes)"),
		one("keep_releases", "keep-releases", number(DefaultKeepReleases, 1, 0), Live,
			func(a *App) *int { return &a.KeepReleases },
			"copies of executables kept for rollbacks"),
		tableOf("env", "env", variables(), Roll, func(a *App) *[]string { return &a.Env },
			"a variable for the workers; all users can see arguments (ps), so for secrets give NAME alone (relevo's own "+
				"value) or use an env file"),
		inheritSetting(),
		many("env_files", "env-file", plain("FILE", "app.env"), Roll, func(a *App) *[]string { return &a.EnvFiles },
			"a file of variables, read again at each roll"),
	}
}

// masterSettings are about the master itself.
func masterSettings() []Setting {
	return []Setting{
		one("output", "output", choice("HOW", ParseOutput, OutputAuto, OutputPrefix, OutputPlain, OutputInherit,
			OutputFiles), Restart,
			func(a *App) *Output { return &a.Output },
			"the workers' output: prefix (each line), plain (untouched), inherit (the master's own streams), "+
				"files (relevo logs reads them), auto"),
		one("log_format", "log-format", choice("FORMAT", oneOf("log_format", LogAuto, LogText, LogJSON), LogAuto, LogText,
			LogJSON), Restart, func(a *App) *LogFormat {
			return &a.LogFormat
		},
			"auto, text or json"),
		one("metrics", "metrics", written("HOST:PORT", "127.0.0.1:9100", parseMetricsAddress,
			func(address string) string { return address }), Live, func(a *App) *string { return &a.Metrics },
			"address at which Prometheus finds the app's metrics, with /livez and /readyz; empty: only on the control socket"),
		one("upgrade", "upgrade", choice("HOW", oneOf("upgrade", UpgradeAuto, UpgradeTableflip, UpgradeExec), UpgradeAuto,
			UpgradeTableflip, UpgradeExec),
			Live, func(a *App) *Upgrade { return &a.Upgrade },
			"how relevo itself is replaced: tableflip (a new process), exec (in place, the pid stays), auto"),
		one("watch_self", "watch-self", boolean(), Live, func(a *App) *bool { return &a.WatchSelf },
			"replace relevo itself when the bytes of its own program change"),
		one("log_level", "log-level", logLevel(), Restart, func(a *App) *slog.Level { return &a.LogLevel },
			"debug, info, warn or error"),
	}
}

func limitSettings() []Setting {
	return []Setting{
		one("limits.max_memory", "max-memory", textOrNumber(written("SIZE", "512MiB", ParseSize, SizeText)),
			Live, func(a *App) *int64 { return &a.Limits.MaxMemory },
			"resident memory, including child processes, at which a worker is replaced; 0 for no limit"),
		one("limits.memory_reserve", "memory-reserve", textOrNumber(written("SIZE", "256MiB", ParseSize, SizeText)),
			Live, func(a *App) *int64 { return &a.Limits.MemoryReserve },
			"memory that stays free when the load asks for another worker"),
		one("limits.max_lifetime", "max-lifetime", duration(), Live,
			func(a *App) *time.Duration { return &a.Limits.MaxLifetime },
			"age at which a worker is replaced; 0 for no limit"),
		one("limits.lifetime_jitter", "lifetime-jitter", fraction(), Live,
			func(a *App) *float64 { return &a.Limits.LifetimeJitter },
			"part of the lifetime by which workers' lifetimes differ, so that they do not end together"),
		one("limits.watchdog", "watchdog", duration(), Roll, func(a *App) *time.Duration { return &a.Limits.Watchdog },
			"time without a sign of life after which a worker is replaced, at least 100ms; 0 for no limit"),
		one("limits.user", "user", textOrNumber(plain("USER", "www-data")),
			Roll, func(a *App) *string { return &a.Limits.User }, "user of the workers, name or number; root only"),
		one("limits.group", "group", textOrNumber(plain("GROUP", "www-data")),
			Roll, func(a *App) *string { return &a.Limits.Group }, "group of the workers, name or number; root only"),
		one("limits.nice", "nice", optional(number(5, -20, 19)), Roll, func(a *App) **int { return &a.Limits.Nice },
			"nice value of the workers, -20 to 19"),
		one("limits.oom_score_adj", "oom-score-adj", optional(number(500, -1000, 1000)), Roll,
			func(a *App) **int { return &a.Limits.OOMScoreAdj },
			"how soon the kernel's out-of-memory killer picks a worker, -1000 (never) to 1000 (first)"),
		one("limits.umask", "umask", written("MASK", "0022", ParseUmask, showUmask), Roll,
			func(a *App) **int { return &a.Limits.Umask },
			"file mode mask of the workers, octal"),
		tableOf("limits.rlimits", "rlimit", rlimits(), Roll, func(a *App) *[]Rlimit { return &a.Limits.Rlimits },
			"a limit of setrlimit(2), such as nofile=65536 or core=0:unlimited"),
	}
}

func duration() kind[time.Duration] {
	k := written("DURATION", "30s", ParseDuration, DurationText)
	k.schema = schema{"type": "string", "pattern": `^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$`}
	return k
}

func argument() kind[string] {
	return written("", "./server", func(text string) (string, error) {
		if strings.ContainsRune(text, 0) {
			return "", errors.New("cannot use an argument with a NUL byte")
		}
		return text, nil
	}, func(text string) string { return text })
}

func boolean() kind[bool] {
	return kind[bool]{arg: "bool", example: "true", forms: []form{formBool}, parse: parseBool, show: strconv.FormatBool,
		schema: schema{"type": "boolean"}}
}

func fraction() kind[float64] {
	return written("PART", "10%", ParseFraction, func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }).
		also([]string{"string", "number"}, formFloat, formInteger)
}

func listeners() kind[Listen] {
	return written("[NAME=]ADDR", ":8080", parseUnanchored, Listen.text)
}

func logLevel() kind[slog.Level] {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn,
		"error": slog.LevelError}
	k := written("LEVEL", "info", func(text string) (slog.Level, error) {
		word, err := oneOf("log_level", "debug", "info", "warn", "error")(text)
		return levels[word], err
	}, func(l slog.Level) string { return strings.ToLower(l.String()) })
	k.schema = schema{"enum": []string{"debug", "info", "warn", "error"}}
	return k
}

func variables() named[string] {
	k := written("NAME[=VALUE]", "value", parseVariable, func(v string) string { return v }).
		also([]string{"string", "integer", "boolean"}, formInteger, formBool)
	return named[string]{k, func(v string) (string, string) {
		name, text, given := strings.Cut(v, "=")
		if !given {
			text = "(taken from relevo's environment)"
		}
		return name, text
	}}
}

func rlimits() named[Rlimit] {
	k := textOrNumber(written("NAME=SOFT[:HARD]", "1024:4096", ParseRlimit, func(l Rlimit) string {
		return l.Name + "=" + l.limits()
	}))
	return named[Rlimit]{k, func(l Rlimit) (string, string) { return l.Name, l.limits() }}
}

func shortSignal(sig syscall.Signal) string { return strings.TrimPrefix(SignalName(sig), "SIG") }

func showUmask(mask *int) string {
	if mask == nil {
		return ""
	}
	return "0" + strconv.FormatInt(int64(*mask), 8)
}
