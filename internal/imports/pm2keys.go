package imports

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"relevo/internal/config"
	"relevo/internal/lazyregexp"
)

// aliases are other names of PM2's keys.
var aliases = map[string]string{
	"exec": "script", "exec_interpreter": "interpreter", "node_args": "interpreter_args", "user": "uid",
	"err": "error_file", "error": "error_file", "err_file": "error_file", "err_log": "error_file", "out": "out_file",
	"output": "out_file", "out_log": "out_file", "log": "log_file", "combine_logs": "merge_logs", "cron": "cron_restart",
	"ignorewatch": "ignore_watch", "maxmemoryrestart": "max_memory_restart",
}

// together are keys that are read together with others.
var together = []string{"name", "name_prefix", "script", "args", "interpreter", "interpreter_args", "cwd", "instances",
	"exec_mode", "env", "port", "instance_var", "autorestart"}

// pm2Shapes are those of keys whose values are not checked where they are read.
func pm2Shapes() map[string]shape {
	return map[string]shape{"name": simple(), "name_prefix": simple(), "cwd": simple(), "interpreter": simple(),
		"args": texts(), "interpreter_args": texts(), "exec_mode": simple(), "port": simple(), "instance_var": simple(),
		"autorestart": aSwitch(), "uid": simple(), "gid": simple(), "ignore_watch": texts(), "source_map_support": aSwitch(),
		"wait_ready": aSwitch(), "increment_var": simple(), "cron_restart": simple()}
}

// carried are the keys that relevo has a setting for, or another way to the same effect.
var carried = map[string]func(r *pm2Reader, v any){
	"max_memory_restart": (*pm2Reader).memory,
	"kill_timeout":       (*pm2Reader).killTimeout,
	"listen_timeout": func(r *pm2Reader, _ any) {
		r.duration("listen_timeout", "ready_timeout",
			"listen_timeout: PM2 then treats the worker as ready; relevo keeps the old workers")
	},
	"uid":          func(r *pm2Reader, _ any) { r.set("limits", "user", r.text("uid"), "") },
	"gid":          func(r *pm2Reader, _ any) { r.set("limits", "group", r.text("gid"), "") },
	"watch":        (*pm2Reader).watch,
	"ignore_watch": (*pm2Reader).watch,
	"source_map_support": func(r *pm2Reader, v any) {
		if v == true {
			r.App.remark("source_map_support: replaced by node --enable-source-maps in command")
		} else {
			r.App.remark("source_map_support (false): left out: off, as here")
		}
	},
	"wait_ready": func(r *pm2Reader, v any) {
		if v == true {
			r.set("", "ready", "ipc", "wait_ready: process.send('ready') says it")
		} else {
			r.App.remark("wait_ready (false): left out: off, as here")
		}
	},
	"cron_restart": func(r *pm2Reader, _ any) {
		line := r.text("cron_restart")
		if fields := strings.Fields(line); len(fields) == 6 && fields[0] == "0" { // seconds
			line = strings.Join(fields[1:], " ")
		}
		if _, err := (config.Schedule{Roll: line}).Plan(); err != nil {
			r.App.remark("cron_restart: left out: %s", err)
			return
		}
		r.set("schedule", "roll", line, "cron_restart: here no request is lost")
	},
	"increment_var": func(r *pm2Reader, _ any) {
		if r.text("increment_var") == "PORT" {
			r.App.remark("increment_var (PORT): left out: all workers share one port, which relevo spreads over them")
			return
		}
		r.App.remark("increment_var (%s): left out: all workers get the same value; NODE_APP_INSTANCE tells them apart",
			brief(r.text("increment_var")))
	},
	"filter_env": func(r *pm2Reader, v any) {
		if v == true {
			r.set("", "env_inherit", []string{"PATH", "HOME", "USER", "LANG", "LC_*", "TZ"}, "filter_env (true)")
			return
		}
		r.App.remark("filter_env (%s): left out: env_inherit = [\"PATH\", …] says which variables pass", brief(v))
	},
}

// leftOut are the keys that have nothing here, and why.
var leftOut = map[string]string{
	"shutdown_with_message":      "a Node program that handles the message \"shutdown\" and no SIGINT gets it",
	"restart_delay":              "relevo itself waits longer after each crash",
	"exp_backoff_restart_delay":  "relevo itself waits longer after each crash",
	"max_restarts":               "relevo never gives up; it waits longer after each crash",
	"min_uptime":                 "a worker counts as started when it is ready",
	"stop_exit_codes":            "relevo replaces a worker whatever it ends with; relevo stop ends it for good",
	"error_file":                 "relevo logs shows both streams; [log] says how large files get",
	"out_file":                   "relevo logs shows both streams; [log] says how large files get",
	"log_file":                   "relevo logs shows both streams; [log] says how large files get",
	"pid_file":                   "relevo status --json has the pids",
	"merge_logs":                 "the lines of all workers are in one log, with their slots",
	"log_date_format":            "relevo logs has the time of each line",
	"time":                       "relevo logs has the time of each line",
	"log_type":                   "relevo logs --json prints JSON",
	"disable_logs":               "the log is bounded: [log] says how large it gets",
	"namespace":                  "patterns name several apps: relevo reload 'web*'",
	"deploy":                     "relevo copies no files; after yours has, relevo reload NAME takes the new release",
	"watch_delay":                "[dev] debounce is the same for relevo dev",
	"watch_options":              "[dev] is for relevo dev",
	"kill_retry_time":            "relevo is told when a process ends",
	"treekill":                   "the whole process group of a worker is ended",
	"append_env_to_name":         "[app.NAME] of a file may be written twice, with --profile",
	"autostart":                  "relevo start NAME starts one app of the file",
	"force":                      "names are unique",
	"windows_hide":               "it is for Windows",
	"username":                   "relevo has the user who starts it",
	"install_url":                "relevo installs nothing",
	"execute_command":            "the command is always the one above",
	"post_update":                "relevo pulls nothing; relevo reload NAME takes a new release",
	"vizion":                     "relevo releases shows the revision of each release",
	"pmx":                        "it is a service of PM2",
	"automation":                 "it is a service of PM2",
	"trace":                      "it is a service of PM2",
	"disable_trace":              "it is a service of PM2",
	"deep_monitoring":            "it is a service of PM2",
	"event_loop_inspector":       "it is a service of PM2",
	"io":                         "it is a service of PM2",
	"v8":                         "it is a service of PM2",
	"write":                      "it is a service of PM2",
	"disable_source_map_support": "source maps are off unless command has --enable-source-maps",
}

// workers sets how many there are.
func (r *pm2Reader) workers() {
	given, many := r.text("instances"), r.keys["instances"] != nil
	n, err := strconv.Atoi(given)
	switch {
	case !many:
		r.set("", "workers", 1, "")
	case given == "max" || err == nil && n == 0:
		r.set("", "workers", "auto", "")
	case err != nil:
		r.fail("instances", "a number or max")
	case n < 0:
		r.set("", "workers", max(r.CPUs+n, 1), "instances ("+given+"): of the processors of the machine of the import")
	default:
		r.set("", "workers", n, "")
	}
	r.mode(many && given != "1")
}

// mode says what the mode of the workers means here.
func (r *pm2Reader) mode(several bool) {
	switch mode := r.text("exec_mode"); {
	case strings.HasPrefix(mode, "fork") && several:
		r.App.remark("exec_mode (fork): replaced: the workers share the ports that they bind, and a reload replaces them " +
			"one by one")
	case mode != "":
		r.App.remark("exec_mode (%s): left out: workers of any language share ports, and a reload loses no request",
			brief(mode))
	}
}

// environment sets the variables that PM2 gives its apps.
func (r *pm2Reader) environment() {
	if !r.isServe() {
		r.set("", "compat", "pm2", "SIGINT, pm_id, NODE_APP_INSTANCE and process.send('ready') as PM2 has them")
	}
	r.variables("env", "env")
	if port := r.text("port"); port != "" {
		r.set("env", "PORT", port, "")
	}
	if name := r.text("instance_var"); name != "" && name != "NODE_APP_INSTANCE" {
		r.set("env", name, "{slot}", "as from PM2; relevo fills it in")
	}
}

func (r *pm2Reader) variables(table, key string) {
	if r.keys[key] == nil {
		return
	}
	all, ok := r.keys[key].(map[string]any)
	if !ok {
		r.fail(key, "an object")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		text, isText := scalar(all[name])
		instance := table == "env" && (name == or(r.text("instance_var"), "NODE_APP_INSTANCE") ||
			name == "PORT" && r.keys["port"] != nil)
		switch {
		case all[name] == nil:
			r.App.remark("%s.%s (null): left out: it has no value", key, name)
		case instance:
		case isText && name != "" && !strings.ContainsAny(name, "=\x00") && !strings.Contains(text, "\x00"):
			r.set(table, name, literal(text), "")
		default:
			r.App.remark("%s.%s: left out: a variable is a text, a number, true or false", key, name)
		}
	}
}

var size = lazyregexp.New(`^([0-9]+)([kKmMgG]?)[bB]?$`)

func (r *pm2Reader) memory(any) {
	parts := size.FindStringSubmatch(r.text("max_memory_restart"))
	if parts == nil {
		r.fail("max_memory_restart", "a number of bytes, 300M or 1G")
		return
	}
	unit := map[string]string{"": "", "k": "KiB", "m": "MiB", "g": "GiB"}[strings.ToLower(parts[2])]
	r.set("limits", "max_memory", parts[1]+unit, "")
}

// killTimeout is the time from the signal to SIGKILL. Workers drain before the signal.
func (r *pm2Reader) killTimeout(any) {
	r.duration("kill_timeout", "stop_grace", "kill_timeout; before the signal a worker has drain_timeout to finish "+
		"what it has accepted")
}

var unit = lazyregexp.New(`^[0-9]+(\.[0-9]+)?(ms|s|m|h)$`)

// duration sets a time, which PM2 has in milliseconds.
func (r *pm2Reader) duration(key, setting, remark string) {
	text := strings.TrimSpace(r.text(key))
	if _, err := strconv.ParseUint(text, 10, 32); err == nil {
		text += "ms"
	}
	if !unit.MatchString(text) {
		r.fail(key, "a number of milliseconds")
		return
	}
	if d, err := config.ParseDuration(text); err == nil {
		text = config.DurationText(d)
	}
	r.set("", setting, text, remark)
}

// watch sets what relevo dev watches. Both of its keys come here, and the first does it.
func (r *pm2Reader) watch(any) {
	if slices.ContainsFunc(r.Settings, func(s Setting) bool { return s.Table == "dev" }) {
		return
	}
	patterns, ignored := r.globs("watch"), r.globs("ignore_watch")
	on := r.keys["watch"] != nil && r.keys["watch"] != false
	if !on && r.keys["watch"] != nil {
		if !slices.Contains(r.Remarks, watchOff) {
			r.App.remark(watchOff)
		}
		return
	}
	if len(ignored) > 0 && len(patterns) == 0 {
		patterns = []string{"**"}
	}
	for _, pattern := range ignored {
		patterns = append(patterns, "!"+pattern)
	}
	if len(patterns) > 0 {
		r.set("dev", "watch", patterns, "watch: relevo dev rolls at each change; relevo start does not look at these files")
	} else if on {
		r.App.remark("watch (true): replaced by relevo dev, which rolls at each change")
	}
}

const watchOff = "watch (false): left out: relevo dev alone watches; relevo start rolls when the script's bytes " +
	"change, unless watch_binary = false"

// globs are the patterns of a key. What names no file is a directory.
func (r *pm2Reader) globs(key string) (all []string) {
	for _, name := range list(r.keys[key]) {
		name = strings.TrimPrefix(path.Clean(name), "./")
		switch {
		case name == "true" || name == "false":
			continue
		case name == ".":
			name = "**"
		case !strings.ContainsAny(name, "*?[{") && path.Ext(name) == "":
			name += "/**"
		}
		all = append(all, name)
	}
	return all
}
