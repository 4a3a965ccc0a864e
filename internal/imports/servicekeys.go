package imports

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"relevo/internal/config"
)

// serviceKeys are the keys of [Service] that have a setting of relevo's, or something else that
// does the same. Each is called once, with the value that counts.
var serviceKeys = map[string]func(r *serviceReader, key, value string) error{
	"User":             func(r *serviceReader, _, v string) error { return r.text("limits", "user", v) },
	"Group":            func(r *serviceReader, _, v string) error { return r.text("limits", "group", v) },
	"UMask":            func(r *serviceReader, _, v string) error { return r.text("limits", "umask", v) },
	"KillSignal":       (*serviceReader).signal,
	"Nice":             func(r *serviceReader, k, v string) error { return r.number(k, "nice", v) },
	"OOMScoreAdjust":   func(r *serviceReader, k, v string) error { return r.number(k, "oom_score_adj", v) },
	"Environment":      (*serviceReader).environment,
	"EnvironmentFile":  (*serviceReader).environmentFile,
	"PassEnvironment":  (*serviceReader).passEnvironment,
	"TimeoutStartSec":  func(r *serviceReader, k, v string) error { return r.span(k, "", "ready_timeout", v, "") },
	"TimeoutStopSec":   (*serviceReader).timeoutStop,
	"TimeoutSec":       (*serviceReader).timeout,
	"RuntimeMaxSec":    func(r *serviceReader, k, v string) error { return r.span(k, "limits", "max_lifetime", v, "") },
	"WatchdogSec":      (*serviceReader).watchdog,
	"MemoryMax":        (*serviceReader).memory,
	"MemoryLimit":      (*serviceReader).memory,
	"Restart":          (*serviceReader).restart,
	"Type":             (*serviceReader).kind,
	"ExecStartPre":     (*serviceReader).beforeStart,
	"ExecCondition":    (*serviceReader).beforeStart,
	"Sockets":          nil,
	"ExecStart":        nil, // read before
	"WorkingDirectory": nil,
}

// serviceLeftOut are keys that have nothing here, and why.
var serviceLeftOut = map[string]string{
	"ExecReload":            "relevo reload replaces the workers without losing a request",
	"ExecStartPost":         "relevo events tells what happens; relevo wait NAME && COMMAND runs it after a start",
	"ExecStop":              "relevo stop drains the workers, and sends stop_signal",
	"ExecStopPost":          "relevo events tells when an app ends",
	"PIDFile":               "relevo status --json has the pids",
	"BusName":               "a worker is ready when it accepts; D-Bus is not asked",
	"RemainAfterExit":       "relevo starts again what ends",
	"GuessMainPID":          "a worker is the process that was started",
	"RestartSec":            "relevo starts again at once, and waits longer after each crash",
	"RestartSteps":          "relevo itself waits longer after each crash",
	"RestartMaxDelaySec":    "relevo itself waits longer after each crash",
	"StartLimitIntervalSec": "relevo never gives up; it waits longer after each crash",
	"StartLimitInterval":    "relevo never gives up; it waits longer after each crash",
	"StartLimitBurst":       "relevo never gives up; it waits longer after each crash",
	"StartLimitAction":      "relevo never gives up; it waits longer after each crash",
	"KillMode":              "what a worker started is ended with it",
	"SendSIGKILL":           "a worker that does not end by stop_signal is killed after stop_grace",
	"NotifyAccess":          "a worker and its child processes may say READY=1",
	"FileDescriptorStore":   "relevo keeps the sockets itself",
	"DynamicUser":           "set limits.user to a user that exists",
	"SupplementaryGroups":   "a worker has the groups of limits.user",
	"UnsetEnvironment":      "env_inherit says which variables pass",
	"StandardInput":         "a worker has no standard input",
	"StandardOutput":        "relevo logs shows both streams; [log] says how large the files get",
	"StandardError":         "relevo logs shows both streams; [log] says how large the files get",
	"SyslogIdentifier":      "relevo logs shows the lines by the app's name",
	"SyslogFacility":        "relevo logs shows the lines by the app's name",
	"SyslogLevel":           "relevo logs shows the lines by the app's name",
	"MemoryHigh":            "limits.max_memory replaces a worker that needs more",
	"OOMPolicy":             "a worker that the kernel kills is replaced",
	"TimeoutAbortSec":       "the watchdog replaces a worker, within stop_grace",
	"Slice":                 "relevo install writes a unit for the master; systemctl edit NAME adds the line",
	"Delegate":              "relevo install writes a unit with a cgroup for each worker",
}

// serviceKinds are the first letters of keys that belong together.
var serviceKinds = []struct{ pattern, reason string }{
	{`^(Protect|Private|Restrict|SystemCall|Capability|Ambient|NoNewPrivileges|Read(Write|Only)|Inaccessible|Exec(Paths|` +
		`SearchPath)|NoExec|Bind|Temporary|Lock|MemoryDeny|RemoveIPC|Device|IPAddress|Secure|SELinux|AppArmor|Smack|` +
		`ProcSubset|Socket(Bind)|Mount|Root|Keyring|Personality|Proc)`,
		"it is the box around the program: relevo install writes a hardened unit for the master, which holds for its " +
			"workers; " +
			"systemctl edit NAME adds the line"},
	{`^(Runtime|State|Cache|Logs|Configuration)Directory`,
		"make the directory once, install -d -o USER DIR, and give its path in [env]; systemctl edit NAME adds the line " +
			"to the " +
			"unit of relevo install"},
	{`^(CPU|IO|BlockIO|Tasks|Memory|Allowed|Startup|NUMA|Managed|Disable)`,
		"the whole app has it by systemctl edit NAME, in the unit of relevo install"},
	{`^(LoadCredential|SetCredential|ImportCredential)`, "give the path of a file, or env_files"},
	{`^(Log|TTY|Utmp|Syslog|StandardInput)`, "relevo logs shows what the workers print"},
	{`^(Success|RestartPrevent|RestartForce|RestartMode|Failure|Exit)`,
		"relevo starts again what ends, whatever it ends with; relevo stop ends it for good"},
	{`^(FileDescriptor|USBFunction|OpenFile|Final|RestartKill|Watchdog)`, "relevo knows nothing like it"},
}

// keys goes through the unit, in the order in which it has them.
func (r *serviceReader) keys() error {
	done := map[string]bool{}
	for _, l := range r.lines {
		if done[l.section+l.key] {
			continue
		}
		done[l.section+l.key] = true
		if err := r.key(l); err != nil {
			return err
		}
	}
	return nil
}

func (r *serviceReader) key(l unitLine) error {
	if l.section != "Service" {
		r.elsewhere(l)
		return nil
	}
	value := r.last(l.key)
	carry, known := serviceKeys[l.key]
	switch {
	case known && carry == nil, value == "":
		return nil
	case known:
		filled, err := r.fill(value)
		if err == nil {
			err = carry(r, l.key, filled)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", l.key, err)
		}
		return nil
	case strings.HasPrefix(l.key, "Limit"):
		r.limit(l.key, value)
		return nil
	}
	reason := serviceLeftOut[l.key]
	for _, kind := range serviceKinds {
		if reason == "" && regexp.MustCompile(kind.pattern).MatchString(l.key) {
			reason = kind.reason
		}
	}
	r.remark("%s (%s): left out: %s", l.key, brief(value), or(reason, "relevo knows nothing like it"))
	return nil
}

// elsewhere says what becomes of the other sections.
func (r *serviceReader) elsewhere(l unitLine) {
	reason := "relevo install writes a unit of its own; systemctl edit NAME adds the line"
	switch {
	case l.section == "Unit" && (l.key == "Description" || l.key == "Documentation"):
		reason = "relevo install writes a unit of its own"
	case l.section == "Unit" && strings.HasPrefix(l.key, "StartLimit"):
		reason = serviceLeftOut["StartLimitBurst"]
	case l.section == "Unit" && (l.key == "After" || l.key == "Requires" || l.key == "Wants"):
		reason = "of apps of relevo: after = [\"NAME\"]; of other units: relevo install, and systemctl edit NAME"
	case l.section == "Install":
		reason = "relevo install --now writes a unit and enables it"
	}
	r.remark("[%s] %s (%s): left out: %s", l.section, l.key, brief(l.value), reason)
}

func (r *serviceReader) text(table, key, value string) error {
	r.set(table, key, value, "")
	return nil
}

func (r *serviceReader) number(_, key, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil {
		return fmt.Errorf("%s is no number", brief(value))
	}
	r.set("limits", key, n, "")
	return nil
}

func (r *serviceReader) signal(key, value string) error {
	signal := strings.TrimPrefix(value, "SIG")
	if _, err := config.ParseSignal(signal); err != nil {
		r.remark("%s (%s): left out: it is none that asks a worker to leave", key, value)
		return nil
	}
	r.set("", "stop_signal", signal, "")
	return nil
}

// span sets a length of time. There is none without an end.
func (r *serviceReader) span(key, table, setting, value, remark string) error {
	d, err := parseSpan(value)
	switch {
	case err != nil:
		return err
	case d == 0:
		r.remark("%s (%s): left out: relevo has no time without an end; %s has its default", key, value, setting)
	default:
		r.set(table, setting, config.DurationText(d), or(remark, key))
	}
	return nil
}

// parseSpan reads systemd's lengths of time; 0 is infinity.
func parseSpan(value string) (time.Duration, error) {
	if value == "infinity" || value == "0" {
		return 0, nil
	}
	var seconds float64
	for _, part := range timespan.FindAllStringSubmatch(value, -1) {
		n, err := strconv.ParseFloat(part[1], 64)
		unit, known := spanUnits[part[2]]
		if err != nil || !known {
			return 0, fmt.Errorf("%s is no length of time, such as 30 or 1min 30s", brief(value))
		}
		seconds += n * unit
	}
	if strings.TrimSpace(timespan.ReplaceAllString(value, "")) != "" || seconds <= 0 || seconds > 1e9 {
		return 0, fmt.Errorf("%s is no length of time, such as 30 or 1min 30s", brief(value))
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

func (r *serviceReader) timeoutStop(key, value string) error {
	return r.span(key, "", "stop_grace", value,
		key+"; before the signal a worker has drain_timeout to finish what it has accepted")
}

func (r *serviceReader) timeout(key, value string) error {
	if r.last("TimeoutStartSec") == "" {
		if err := r.span(key, "", "ready_timeout", value, ""); err != nil {
			return err
		}
	}
	if r.last("TimeoutStopSec") != "" {
		return nil
	}
	return r.timeoutStop(key, value)
}

func (r *serviceReader) watchdog(key, value string) error {
	return r.span(key, "limits", "watchdog", value, "WatchdogSec: a worker that sends no WATCHDOG=1 is replaced")
}

// memory is a limit for one worker here.
func (r *serviceReader) memory(key, value string) error {
	parts := regexp.MustCompile(`^([0-9]+)([KMGT]?)$`).FindStringSubmatch(value)
	if parts == nil {
		r.remark("%s (%s): left out: limits.max_memory is a number of bytes, 512MiB or 1.5GiB", key, value)
		return nil
	}
	unit := map[string]string{"": "", "K": "KiB", "M": "MiB", "G": "GiB", "T": "TiB"}[parts[2]]
	r.set("limits", "max_memory", parts[1]+unit, key+": of one worker; it is replaced, and not killed")
	return nil
}

func (r *serviceReader) restart(key, value string) error {
	if value == "always" || value == "on-failure" {
		r.remark("%s (%s): replaced: relevo starts again what ends", key, value)
		return nil
	}
	r.remark("%s (%s): left out: relevo starts again what ends, whatever it ends with; relevo stop ends it for good", key,
		value)
	return nil
}

func (r *serviceReader) kind(key, value string) error {
	switch value {
	case "notify", "notify-reload": // ready
	case "simple", "exec", "idle", "":
		r.remark("%s (%s): replaced: a worker is ready when it accepts", key, value)
	case "dbus":
		r.remark("%s (%s): left out: %s", key, value, serviceLeftOut["BusName"])
	}
	return nil
}

// beforeStart names the commands that systemd runs first.
func (r *serviceReader) beforeStart(key, _ string) error {
	for _, line := range r.all(key) {
		r.remark("%s (%s): left out: relevo runs one command; type it before relevo start and relevo reload, or write "+
			"command = [\"sh\", \"-c\", \"… && exec …\"]", key, strings.TrimLeft(line, "-+!@:"))
	}
	return nil
}

// limit sets a limit of setrlimit(2).
func (r *serviceReader) limit(key, value string) {
	name := strings.ToLower(strings.TrimPrefix(key, "Limit"))
	soft, hard, both := strings.Cut(value, ":")
	text, ok := limitNumber(soft)
	if both {
		more, fine := limitNumber(hard)
		text, ok = text+":"+more, ok && fine
	}
	if _, err := config.ParseRlimit(name + "=" + text); !ok || err != nil {
		r.remark("%s (%s): left out: limits.rlimits takes a number, \"unlimited\", or SOFT:HARD", key, brief(value))
		return
	}
	r.set("limits.rlimits", name, text, "")
}

func limitNumber(text string) (string, bool) {
	if text == "infinity" {
		return "unlimited", true
	}
	factor := uint64(1)
	if at := strings.IndexByte("KMGTPE", (text + " ")[max(len(text)-1, 0)]); at >= 0 && text != "" {
		factor, text = 1<<(10*(at+1)), text[:len(text)-1]
	}
	n, err := strconv.ParseUint(text, 10, 63)
	return strconv.FormatUint(n*factor, 10), err == nil && n < 1<<63/factor
}

// environment sets variables. All lines count, and the last of a name.
func (r *serviceReader) environment(key, _ string) error {
	for _, line := range r.all(key) {
		all, err := unitWords(line)
		if err != nil {
			return err
		}
		for _, word := range all {
			if word, err = r.fill(word); err != nil {
				return err
			}
			name, value, is := strings.Cut(word, "=")
			if _, err := config.ParseEnv(word); !is || err != nil || strings.HasPrefix(name, "RELEVO_") {
				r.remark("%s (%s): left out: it is no NAME=VALUE", key, brief(word))
				continue
			}
			r.variable(name, literal(value))
		}
	}
	return nil
}

func (r *serviceReader) variable(name, value string) {
	for i, s := range r.Settings {
		if s.Table == "env" && s.Key == name {
			r.Settings[i].Value = value
			return
		}
	}
	r.set("env", name, value, "")
}

// environmentFile sets files of variables. One with a minus before it may be missing.
func (r *serviceReader) environmentFile(key, _ string) error {
	var files []string
	for _, path := range r.all(key) {
		path, optional := strings.CutPrefix(path, "-")
		path, err := r.fill(path)
		switch {
		case err != nil:
			return err
		case strings.ContainsAny(path, "*?["):
			r.remark("%s (%s): left out: env_files names each file", key, path)
		case optional && r.Exists != nil && !r.Exists(path):
			r.remark("%s (-%s): left out: it is not there, and is optional; relevo wants the files of env_files to be there",
				key,
				path)
		default:
			files = append(files, absoluteBelow(r.Base, path))
		}
	}
	if len(files) == 0 {
		return nil
	}
	r.set("", "env_files", files, "")
	if len(r.all("Environment")) > 0 {
		r.remark("EnvironmentFile wins over Environment in systemd; here [env] wins over env_files")
	}
	return nil
}

func (r *serviceReader) passEnvironment(key, value string) error {
	r.remark("%s (%s): left out: workers get the environment of relevo; env_inherit says which variables pass", key,
		brief(value))
	return nil
}
