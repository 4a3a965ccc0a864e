package imports

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"relevo/internal/config"
)

// airBuild has the keys of [build], each with the reason why it has no setting; empty: it is read
// together with others.
var airBuild = map[string]string{
	"cmd": "", "bin": "", "entrypoint": "", "full_bin": "", "args_bin": "", "pre_cmd": "", "include_ext": "",
	"include_dir": "", "include_file": "", "exclude_dir": "", "exclude_file": "", "exclude_regex": "", "rules": "",
	"delay": "", "kill_delay": "", "send_interrupt": "", "linux": "",
	"windows": "left out: it is for Windows", "darwin": "left out: it is for macOS",
	"post_cmd":          "left out: nothing is run at the end; relevo dev && COMMAND does it",
	"log":               "left out: builds and errors are on the terminal, and in relevo status",
	"exclude_unchanged": "replaced: a file has changed when its bytes have",
	"follow_symlink":    "replaced: symbolic links are followed",
	"stop_on_error":     "left out: the old workers keep serving until a build succeeds",
	"rerun":             "left out: a program that ends is started again, in development, too",
	"rerun_delay":       "left out: a program that ends is started again, and waits longer after each crash",
	"poll":              "replaced: files are polled where their file system has no events",
	"poll_interval":     "replaced: files are polled where their file system has no events",
	"ignore_dangerous_root_dir": "left out: .gitignore and dev.watch say which files count; what cannot be watched is " +
		"said",
}

// airOthers are the other tables.
var airOthers = map[string]string{
	"color":        "left out: relevo colours what says something; NO_COLOR turns it off",
	"log":          "left out: --log-level says how much relevo prints",
	"misc":         "left out: relevo dev builds outside of the directory, and leaves nothing there",
	"screen":       "left out: the key c clears the terminal",
	"tmp_dir":      "left out: relevo dev builds outside of the directory",
	"testdata_dir": "left out: the files of tests are no part of the program, and go list does not name them",
}

// airTreeShapes are those of the keys outside of [build] that are read.
func airTreeShapes() map[string]shape {
	return map[string]shape{"root": aText(), "tmp_dir": aText(), "env_files": texts(), "build": aTable(),
		"proxy": aTable()}
}

func airBuildShapes() map[string]shape {
	return map[string]shape{"cmd": aText(), "bin": aText(), "full_bin": aText(), "entrypoint": texts(),
		"args_bin": texts(), "pre_cmd": texts(), "include_ext": texts(), "include_dir": texts(),
		"include_file": texts(), "exclude_dir": texts(),
		"exclude_file": texts(), "exclude_regex": texts(), "rules": someTables(), "linux": aTable(),
		"send_interrupt": aSwitch()}
}

func airRuleShapes() map[string]shape {
	return map[string]shape{"name": aText(), "cmd": aText(), "include_dir": texts(), "include_ext": texts(),
		"include_file": texts()}
}

func airProxyShapes() map[string]shape {
	return map[string]shape{"enabled": aSwitch(), "app_port": aNumber(), "proxy_port": aNumber()}
}

// signals sets how old programs end.
func (r *airReader) signals() {
	if r.build["send_interrupt"] == true {
		r.set("", "stop_signal", "INT", "build.send_interrupt")
	} else if r.build["send_interrupt"] != nil {
		r.remark("build.send_interrupt (false): replaced: the old program drains, and gets SIGTERM then")
	}
	if d := r.length("kill_delay", 1); d > 0 && r.build["send_interrupt"] == true {
		r.set("", "stop_grace", config.DurationText(d), "build.kill_delay")
	} else if r.build["kill_delay"] != nil {
		r.remark("build.kill_delay (%s): left out: stop_grace has its default", brief(r.build["kill_delay"]))
	}
	if d := r.length("delay", int64(time.Millisecond)); d > 0 && d != time.Second {
		r.set("dev", "debounce", config.DurationText(d), "build.delay")
	} else if r.build["delay"] != nil {
		r.remark("build.delay (%s): left out: dev.debounce has its default, 50ms without a change", brief(r.build["delay"]))
	}
}

// length is a time that is written as a number of units, or with its unit.
func (r *airReader) length(key string, unit int64) time.Duration {
	switch v := r.build[key].(type) {
	case int64:
		return time.Duration(v * unit)
	case string:
		if d, err := config.ParseDuration(v); err == nil {
			return d
		}
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return time.Duration(n * unit)
		}
	}
	return 0
}

// others are the keys outside of [build].
func (r *airReader) others() {
	for _, key := range slices.Sorted(maps.Keys(r.tree)) {
		switch reason := airOthers[key]; {
		case key == "build" || key == "root":
		case key == "proxy":
			r.proxy()
		case key == "env_files":
			r.envFiles()
		case reason != "":
			r.remark("%s: %s", key, reason)
		default:
			r.remark("%s: left out: relevo knows nothing like it", key)
		}
	}
}

func (r *airReader) proxy() {
	proxy, _ := r.tree["proxy"].(map[string]any)
	proxy = r.fitting("proxy.", proxy, airProxyShapes(), nil)
	port, _ := proxy["proxy_port"].(int64)
	switch app, _ := proxy["app_port"].(int64); {
	case proxy["enabled"] != true:
		r.remark("proxy: left out: it is off; relevo dev --proxy reloads pages, too")
		return
	case app > 0:
		r.set("", "listen", []string{fmt.Sprintf("127.0.0.1:%d", app)}, "proxy.app_port: the program's port, which "+
			"relevo keeps "+
			"open. A program may bind it, or take it from relevo")
	}
	if port > 0 {
		r.set("dev", "proxy", fmt.Sprintf("127.0.0.1:%d", port), "proxy.proxy_port")
	}
	if proxy["app_start_timeout"] != nil {
		r.remark("proxy.app_start_timeout (%s): replaced: pages wait until a worker is ready; ready_timeout is 30s",
			brief(proxy["app_start_timeout"]))
	}
}

// envFiles keeps only files that exist: they are optional in air, but required in relevo.
func (r *airReader) envFiles() {
	var files []string
	for _, name := range list(r.tree["env_files"]) {
		if r.Exists != nil && r.Exists(name) {
			files = append(files, absoluteBelow(r.Base, name))
		} else {
			r.remark("env_files (%s): left out: the file is not there", brief(name))
		}
	}
	if files != nil {
		r.set("", "env_files", files, "")
	}
}
