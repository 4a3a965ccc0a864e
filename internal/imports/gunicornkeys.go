package imports

import (
	"slices"
	"strings"

	"relevo/internal/config"
)

// gunicornFlags are the settings of gunicorn, with the option of each. Settings without an option
// are in its file alone.
var gunicornFlags = map[string]string{
	"config": "--config", "bind": "--bind", "backlog": "--backlog", "workers": "--workers",
	"worker_class": "--worker-class", "threads": "--threads", "worker_connections": "--worker-connections",
	"max_requests": "--max-requests", "max_requests_jitter": "--max-requests-jitter", "timeout": "--timeout",
	"graceful_timeout": "--graceful-timeout", "keepalive": "--keep-alive", "limit_request_line": "--limit-request-line",
	"limit_request_fields": "--limit-request-fields", "limit_request_field_size": "--limit-request-field_size",
	"reload": "--reload", "reload_engine": "--reload-engine", "reload_extra_files": "--reload-extra-file",
	"spew": "--spew", "check_config": "--check-config", "print_config": "--print-config", "preload_app": "--preload",
	"sendfile": "--no-sendfile", "reuse_port": "--reuse-port", "chdir": "--chdir", "daemon": "--daemon",
	"raw_env": "--env", "pidfile": "--pid", "worker_tmp_dir": "--worker-tmp-dir", "user": "--user", "group": "--group",
	"umask": "--umask", "initgroups": "--initgroups", "forwarded_allow_ips": "--forwarded-allow-ips",
	"accesslog": "--access-logfile", "disable_redirect_access_to_syslog": "--disable-redirect-access-to-syslog",
	"access_log_format": "--access-logformat", "errorlog": "--error-logfile", "loglevel": "--log-level",
	"capture_output": "--capture-output", "logger_class": "--logger-class", "logconfig": "--log-config",
	"syslog_addr": "--log-syslog-to", "syslog": "--log-syslog", "syslog_prefix": "--log-syslog-prefix",
	"syslog_facility": "--log-syslog-facility", "enable_stdio_inheritance": "--enable-stdio-inheritance",
	"statsd_host": "--statsd-host", "dogstatsd_tags": "--dogstatsd-tags", "statsd_prefix": "--statsd-prefix",
	"proc_name": "--name", "pythonpath": "--pythonpath", "paste": "--paste", "proxy_protocol": "--proxy-protocol",
	"proxy_allow_ips": "--proxy-allow-from", "keyfile": "--keyfile", "certfile": "--certfile",
	"ssl_version": "--ssl-version", "cert_reqs": "--cert-reqs", "ca_certs": "--ca-certs",
	"suppress_ragged_eofs": "--suppress-ragged-eofs", "do_handshake_on_connect": "--do-handshake-on-connect",
	"ciphers": "--ciphers", "raw_paste_global_conf": "--paste-global", "strip_header_spaces": "--strip-header-spaces",
	"wsgi_app": "", "secure_scheme_headers": "", "tmp_upload_dir": "", "logconfig_dict": "", "default_proc_name": "",
	"tolerate_dangerous_framing": "--tolerate-dangerous-framing",
	"permit_obsolete_folding":    "--permit-obsolete-folding", "forwarder_headers": "--forwarder-headers",
	"header_map": "--header-map", "casefold_http_method": "--casefold-http-method",
	"permit_unconventional_http_method":  "--permit-unconventional-http-method",
	"permit_unconventional_http_version": "--permit-unconventional-http-version", "logconfig_json": "--log-config-json",
}

// gunicornSwitches are the options that take no value.
var gunicornSwitches = []string{"reload", "spew", "check_config", "print_config", "preload_app", "sendfile",
	"reuse_port",
	"daemon", "initgroups", "disable_redirect_access_to_syslog", "capture_output", "syslog", "enable_stdio_inheritance",
	"proxy_protocol", "suppress_ragged_eofs", "do_handshake_on_connect", "strip_header_spaces", "permit_obsolete_folding",
	"tolerate_dangerous_framing",
	"casefold_http_method", "permit_unconventional_http_method", "permit_unconventional_http_version"}

var gunicornShort = map[string]string{"-c": "config", "-b": "bind", "-w": "workers", "-k": "worker_class",
	"-t": "timeout", "-D": "daemon", "-e": "raw_env", "-p": "pidfile", "-u": "user", "-g": "group", "-m": "umask",
	"-R": "enable_stdio_inheritance", "-n": "proc_name", "--log-file": "errorlog", "--paster": "paste"}

// gunicornOwn are settings that relevo sets itself.
var gunicornOwn = []string{"config", "bind", "workers", "user", "group", "wsgi_app"}

// gunicornLeftOut are settings that cannot work here, with the reason.
var gunicornLeftOut = map[string]string{
	"daemon":       "relevo start starts apps in the background; gunicorn has to stay in the foreground",
	"pidfile":      "relevo status --json has the pids",
	"reload":       "relevo dev rolls at each change, without a refused connection",
	"check_config": "relevo check checks relevo.toml",
	"print_config": "relevo check checks relevo.toml",
	"reuse_port":   "each worker has a socket of its own here, whose port stays open",
}

// gunicornHooks are functions that gunicorn calls.
var gunicornHooks = []string{"on_starting", "on_reload", "when_ready", "pre_fork", "post_fork", "post_worker_init",
	"worker_int", "worker_abort", "pre_exec", "pre_request", "post_request", "child_exit", "worker_exit",
	"nworkers_changed", "on_exit", "ssl_context"}

// gunicornMore are remarks on settings that gunicorn still reads itself.
var gunicornMore = map[string]string{
	"preload_app": "it spares no memory: each worker loads the application by itself",
	"max_requests": "gunicorn replaces its process then, and cuts kept-alive connections; limits.max_memory and " +
		"limits.max_lifetime have relevo do it, which cuts none",
	"timeout":  "gunicorn ends a process that handles a request for longer",
	"chdir":    "gunicorn changes to it by itself",
	"certfile": "idle TLS connections are not rescued when a worker leaves",
}

func gunicornOptions() optionSet {
	all := optionSet{}
	add := func(flag, key string) {
		if !slices.Contains(gunicornSwitches, key) {
			key += "="
		}
		all[flag] = key
	}
	for key, flag := range gunicornFlags {
		if flag != "" {
			add(flag, key)
		}
	}
	for flag, key := range gunicornShort {
		add(flag, key)
	}
	return all
}

// explain describes how a name of the file is handled.
func (r *gunicornReader) explain(key string, v any) {
	flag, known := gunicornFlags[key]
	of, _ := v.(map[string]any)
	hook := slices.Contains(gunicornHooks, key)
	shown := key
	if of == nil {
		shown += " (" + brief(v) + ")"
	}
	switch reason := gunicornLeftOut[key]; {
	case key == "config", of["is"] == "code" && !hook:
	case slices.ContainsFunc(r.flags, func(o option) bool { return o.key == key }):
		r.App.remark("%s: left out: the command line has another value", shown)
	case slices.Contains(gunicornOwn, key), key == "proc_name":
		r.App.remark("%s: carried over", shown)
	case key == "graceful_timeout":
		r.gracefulTimeout(shown)
	case reason != "" && r.inline, reason != "" && !truthy(v):
		r.App.remark("%s: left out: %s", shown, reason)
	case reason != "":
		r.App.remark("%s: take it out of %s: %s", shown, r.file, reason)
	case !known && !hook:
		r.App.remark("%s: left out: gunicorn has no such setting, and passes over it", shown)
	case r.inline && (hook || flag == "" || of != nil):
		r.App.remark("%s: left out: no option of gunicorn has it, and daemon or pidfile keep the file from being read",
			shown)
	case r.inline:
		r.App.remark("%s: carried over as an option of gunicorn%s", shown, more(key))
	default:
		r.App.remark("%s: gunicorn reads it from %s, as before%s", shown, r.file, more(key))
	}
}

func more(key string) string {
	if text := gunicornMore[key]; text != "" {
		return "; " + text
	}
	return ""
}

// gracefulTimeout is how long workers may take to finish what they have accepted.
func (r *gunicornReader) gracefulTimeout(shown string) {
	d, err := config.ParseDuration(strings.TrimSpace(r.text("graceful_timeout")) + "s")
	if err != nil || d == 0 {
		r.App.remark("%s: left out: it is no number of seconds", shown)
		return
	}
	r.App.set("", "drain_timeout", config.DurationText(d), "graceful_timeout")
}
