package config

import (
	"strconv"
	"strings"
	"testing"
)

// resolveText resolves a file of this text with a command of its own.
func resolveText(text string) (App, error) {
	file := parse("relevo.toml", "/srv/shop", []byte(text))
	return Sources{Defaults: Default(), File: file, Dir: "/home", NoCommand: !file.Sets("command")}.Resolve()
}

// TestFileErrors: each error has its place and says what would be accepted.
func TestFileErrors(t *testing.T) {
	for text, want := range map[string]string{
		// the Host of a health check
		"health.http = \"/\"\nhealth.host = \"https://a.example\"": `2:15: cannot use "https://a.example" as the Host of ` +
			`a request: write a name`,
		"health.http = \"/\"\nhealth.host = \"a b\"": `2:15: cannot use "a b" as the ` +
			`Host of a request`,
		"health.http = \"/\"\nhealth.host = \"a\"\nhealth.headers.host = \"b\"": `2:15: cannot send two Host headers`,

		// wrong types
		`name = 3`:                  `1:8: cannot use an integer for name: write name = "shop"`,
		`command = "./server -x"`:   `1:11: cannot use a string for command: write command = ["./server -x"]`,
		`command = ["./server", 3]`: `1:24: cannot use an integer in command: write command = ["./server"]`,
		`command = [["./server"]]`:  `1:11: cannot use an array in command`,
		`directory = ["a"]`:         `1:13: cannot use an array for directory`,
		`workers = 1.5`:             `1:11: cannot use a number with a fraction for workers: write workers = 4`,
		`workers = {}`:              `1:11: cannot use a table for workers`,
		`listen = ":8080"`:          `1:10: cannot use a string for listen: write listen = [":8080"]`,
		`listen = [8080]`:           `1:11: cannot use an integer in listen: write listen = [":8080"]`,
		`ready = true`:              `1:9: cannot use a boolean for ready: write ready = "auto"`,
		`ready_timeout = 30`:        `1:17: cannot use an integer for ready_timeout: write ready_timeout = "30s"`,
		`canary = 1979-05-27`:       `1:10: cannot use a date or time for canary`,
		`drain_timeout = 07:32:00`:  `1:17: cannot use a date or time for drain_timeout`,
		`stop_grace = false`:        `1:14: cannot use a boolean for stop_grace`,
		`stop_signal = 15`:          `1:15: cannot use an integer for stop_signal: write stop_signal = "TERM"`,
		`surge = "2"`:               `1:9: cannot use a string for surge: write surge = 1`,
		`watch_binary = "yes"`:      `1:16: cannot use a string for watch_binary: write watch_binary = true`,
		`exec_from = 1`:             `1:13: cannot use an integer for exec_from: write exec_from = "auto"`,
		`keep_releases = 5.0`:       `1:17: cannot use a number with a fraction for keep_releases: write keep_releases = 5`,
		`env_files = "app.env"`:     `1:13: cannot use a string for env_files: write env_files = ["app.env"]`,
		`output = []`:               `1:10: cannot use an array for output: write output = "auto"`,
		`log_format = 1`:            `1:14: cannot use an integer for log_format`,
		`log_level = 1`:             `1:13: cannot use an integer for log_level`,
		`env = "A=B"`:               `1:7: cannot use a string for env: it is a table; write [env]`,
		`env.A = 1.5`:               `1:9: cannot use a number with a fraction for env.A: write env.A = "value"`,
		`env.A = ["x"]`:             `1:9: cannot use an array for env.A`,
		`limits = 3`:                `1:10: cannot use an integer for limits: it is a table; write [limits]`,
		`limits.max_memory = 1.5`: `1:21: cannot use a number with a fraction for limits.max_memory: write ` +
			`limits.max_memory = "512MiB"`,
		`limits.max_lifetime = 3600`: `1:23: cannot use an integer for limits.max_lifetime`,
		`limits.lifetime_jitter = true`: `1:26: cannot use a boolean for limits.lifetime_jitter: write ` +
			`limits.lifetime_jitter = "10%"`,
		`limits.watchdog = 3`:        `1:19: cannot use an integer for limits.watchdog`,
		`limits.user = true`:         `1:15: cannot use a boolean for limits.user`,
		`limits.group = true`:        `1:16: cannot use a boolean for limits.group`,
		`limits.nice = "5"`:          `1:15: cannot use a string for limits.nice: write limits.nice = 5`,
		`limits.oom_score_adj = "5"`: `1:24: cannot use a string for limits.oom_score_adj`,
		`limits.umask = 0o022`:       `1:16: cannot use an integer for limits.umask: write limits.umask = "0022"`,
		`limits.rlimits = 3`:         `1:18: cannot use an integer for limits.rlimits: it is a table; write [limits.rlimits]`,
		`limits.rlimits.nofile = true`: `1:25: cannot use a boolean for limits.rlimits.nofile: write ` +
			`limits.rlimits.nofile = "1024:4096"`,
		`listener = "x"`:           `1:12: cannot use a string for listener: write [[listener]]`,
		`listener = ["x"]`:         `1:13: cannot use a string for listener: write [[listener]]`,
		"[listener]\nname = \"x\"": `1:2: cannot use [listener]: write [[listener]]`,
		"[[env]]\nA = \"1\"":       `1:3: cannot use [[env]]: write [env]`,
		"[[listener]]\naddress = 8080": `2:11: cannot use an integer for listener.address: write listener.address = ` +
			`":8080"`,
		"[[listener]]\nname = \"x\"":           `1:3: cannot use a [[listener]] without an address`,
		"listener = [{address=\":1\",name=2}]": `1:32: cannot use an integer for listener.name`,

		// values, units, ranges
		`name = "a/b"`:     `1:8: cannot use "a/b" as a name`,
		`name = "all"`:     `1:8: cannot call an app "all", which commands take for every app`,
		`name = ""`:        `1:8: cannot use an empty text`,
		`name = "a\u0000"`: `1:8: cannot use the value of name: it has a NUL byte`,
		`command = []`:     `1:11: cannot run: no command given`,
		`workers = "2-8"`: `1:11: cannot use "2-8" as a number of workers: write 1 to 1024, or auto, max or 0 (here ` +
			strconv.Itoa(CPUs()) + `); "2..8" is as many as the load needs`,
		`workers = -1`:                   `1:11: cannot use "-1" as a number of workers: write 1 to 1024, or auto`,
		`workers = 99999999999999999999`: `1:11: cannot use "99999999999999999999" as a number of workers`,
		`listen = ["shop:1"]`: `1:11: cannot listen on "shop:1": "shop" is neither ` +
			`an IP address nor localhost`,
		`listen = [":1", ":2", ":1"]`: `1:23: cannot listen twice on :1 (listeners "listen" and "listen2")`,
		`listen = ["a=:1", "a=:2"]`:   `1:19: cannot listen twice under the name "a"`,
		`ready = "soon"`:              `1:9: cannot use "soon" for ready: auto, notify, ipc and delay=2s exist`,
		`ready_timeout = "30"`:        `1:17: cannot read "30" as a duration: the unit is missing (write 30s or 30ms)`,
		`ready_timeout = "0s"`:        `1:17: cannot run without patience: the ready timeout must be above 0`,
		`drain_timeout = "0s"`:        `1:17: cannot run without patience: the drain timeout must be above 0`,
		`idle = "0s"`:                 `1:8: cannot stop all workers after 0s without a client: at least 1s`,
		`idle = "-1m"`:                `1:8: cannot read "-1m" as a duration: it is negative`,
		`canary = "-1s"`:              `1:10: cannot read "-1s" as a duration: it is negative`,
		`canary_share = "60%"`: `1:16: cannot give a canary 60% of the new ` +
			`connections: 0% to 50% are possible`,
		`canary_share = "some"`:                 `1:16: cannot read "some" as a share: write 5% or 0.05, from 0% to 50%`,
		`canary_share = 0.7`:                    `1:16: cannot give a canary 70% of the new connections`,
		"listen = [\"unix:/a,balance=sticky\"]": `1:11: cannot listen on "unix:/a,balance=sticky": balance=sticky is for TCP`,
		"[[listener]]\naddress = \"udp::1\"\nbalance = \"sticky\"": `3:11: cannot listen on "udp::1": balance=sticky is ` +
			`for TCP`,
		`stop_signal = "FOO"`:             `1:15: cannot use "FOO" as a signal: known are `,
		`surge = 0`:                       `1:9: cannot roll with a surge of 0: at least 1 is needed`,
		`exec_from = "copy"`:              `1:13: cannot use "copy" for exec_from: auto, snapshot and path exist`,
		`keep_releases = 0`:               `1:17: cannot keep 0 releases: at least 1 is needed`,
		`env_files = [""]`:                `1:14: cannot use an empty text`,
		`output = "json"`:                 `1:10: cannot use "json" for output: auto, prefix, plain, inherit and files exist`,
		`log_format = "xml"`:              `1:14: cannot use "xml" for log_format: auto, text and json exist`,
		`log_level = "INFO"`:              `1:13: cannot use "INFO" for log_level: debug, info, warn and error exist`,
		`env."A=B" = "c"`:                 `1:13: cannot use "A=B" as a name in env: it has an equals sign`,
		`limits.max_memory = "512"`:       `1:21: cannot limit the memory to 512 bytes: at least 1MiB, or 0 for no limit`,
		`limits.max_memory = "512M"`:      `1:21: cannot read "512M" as a size: write 512MiB, 1.5GB or a number of bytes`,
		`limits.max_memory = -1`:          `1:21: cannot read "-1" as a size`,
		`limits.lifetime_jitter = "110%"`: `1:26: cannot read "110%" as a part of a whole`,
		`limits.lifetime_jitter = nan`:    `1:26: cannot read "NaN" as a part of a whole`,
		`limits.watchdog = "99ms"`:        `1:19: cannot use a watchdog of 99ms: at least 100ms, or 0 for none`,
		`limits.max_lifetime = "1ms"`:     `1:23: cannot use a lifetime of 1ms: at least 100ms, or 0 for no limit`,
		`limits.nice = 20`:                `1:15: cannot use a nice value of 20: -20 to 19`,
		`limits.oom_score_adj = -1001`:    `1:24: cannot use -1001 for oom_score_adj: -1000 to 1000`,
		`limits.umask = "0888"`:           `1:16: cannot read "0888" as a umask: write it in octal, such as 0022`,
		`limits.rlimits.nofiles = 3`:      `1:26: cannot set the limit "nofiles": known are as core cpu`,
		`limits.rlimits.nofile = "9:3"`: `1:25: cannot read "9:3" as the limit nofile: the soft limit is above the hard ` +
			`one`,
		`limits.rlimits.core = -1`: `1:23: cannot read "-1" as the limit core: write a ` +
			`number, unlimited, or SOFT:HARD`,
		"[[listener]]\naddress = \"w=:1\"": `2:11: cannot use "w=:1" as an address: name, mode, backlog, balance and ` +
			`blocking have keys of their own`,
		"[[listener]]\naddress = \":1\"\nmode = \"0660\"":     `3:8: cannot listen on ":1": mode= is for Unix sockets only`,
		"[[listener]]\naddress = \"udp::1\"\nbacklog = 3":     `3:11: cannot listen on "udp::1": backlog= is not for UDP`,
		"[[listener]]\naddress = \":1\"\nname = \"/\"":        `3:8: cannot use "/" as a name`,
		"listen = [\"a=:1\"]\n[[listener]]\naddress = \":1\"": `3:11: cannot listen twice on :1`,

		"listener = [{address = \":1\"}]\nlisten = [\":1\"]": `1:24: cannot listen twice on :1`,
		`command = ["."]`: `1:11: cannot use "" as a name`,

		// keys
		`ready_timout = "3s"`: `1:1: cannot find the setting ready_timout; did you mean ready_timeout?`,
		`max_memory = "1GiB"`: `1:1: cannot find the setting max_memory; did you mean limits.max_memory?`,
		"[limits]\ncanary = \"1s\"": `2:1: cannot find the setting limits.canary; did you mean canary? It stands above ` +
			`the first [table]`,
		"[limit]\nnice = 3\nfoo = 2": `1:2: cannot find the table limit; did you mean limits?`,
		"[[listener]]\nadress = \":1\"\naddress = \":1\"": `2:1: cannot find the setting listener.adress; did you mean ` +
			`listener.address?`,
		`"limits.nice" = 3`: `1:1: cannot find the setting limits.nice`,
		`zzz = 1`: `1:1: cannot find the setting zzz; ` +
			`docs/relevo.reference.toml lists all settings`,
		"surge = 1\nsurge = 2":                             `2:1: cannot define surge twice: it stands in line 1 already`,
		"[env]\n[limits]\n[env]":                           `3:2: cannot define env twice: it stands in line 1 already`,
		"env.A = \"1\"\n[env]\nB = \"1\"":                  `2:2: cannot define env twice`,
		"env = {A = \"1\"}\nenv.B = \"2\"":                 `2:1: cannot define env twice`,
		"env = {A = \"1\", A = \"2\"}":                     `1:1: cannot define A twice`,
		"[[listener]]\naddress = \":1\"\naddress = \":2\"": `3:1: cannot define listener.address twice`,

		// syntax
		`surge 3`:                  `1:7: cannot read this as TOML: `,
		"surge = 3\nname = \"shop": `cannot read this as TOML: unterminated basic string`,
		"workers = 2..8 # few":     `decimal point must be followed by a digit; write workers = "2..8"`,
		"workers = 0..4":           `; write workers = "0..4"`,
		"surge = 03":               `1:9: cannot read this as TOML: integers cannot have leading zeroes`,
		"größe = 1":                `1:3: cannot read this as TOML: `,
		"name = \"größe\" x":       `1:16: cannot read this as TOML: `, // columns are characters
	} {
		_, err := resolveText(text)
		if err == nil {
			t.Errorf("%q: no error, want %s", text, want)
			continue
		}
		if !strings.HasPrefix(err.Error(), "relevo.toml:") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
		if strings.Contains(err.Error(), "\n") || !Invalid(err) {
			t.Errorf("%q: more than one error, or one without its place: %v", text, err)
		}
	}
}

// TestAllErrorsTogether: one look at a file tells everything, in its order.
func TestAllErrorsTogether(t *testing.T) {
	_, err := resolveText("name = \"a/b\"\nsurge = 0\nsruge = 1\nready_timeout = 3\nlisten = [\":1\", \":1\"]\n" +
		"[env]\nPASS = 1.5\nX = \n")
	var lines []string
	for _, e := range SortedErrors(err) {
		place, _, _ := strings.Cut(e.Error(), ": ")
		lines = append(lines, place)
	}
	want := "relevo.toml:1:8 relevo.toml:2:9 relevo.toml:3:1 relevo.toml:4:17 relevo.toml:5:17 " +
		"relevo.toml:7:8 relevo.toml:8:5"
	if got := strings.Join(lines, " "); got != want {
		t.Errorf("the places are\n%s\nwant\n%s\n%v", got, want, err)
	}
}

// TestUnreadableFile: where the file breaks off, nothing is said of what may stand
// in it.
func TestUnreadableFile(t *testing.T) {
	file := parse("relevo.toml", "/srv/shop", []byte("command = ["))
	_, err := Sources{Defaults: Default(), File: file, Dir: "/home"}.Resolve()
	if err == nil || strings.Contains(err.Error(), "no command") ||
		!strings.Contains(err.Error(), "cannot read this as TOML") {
		t.Errorf("%v", err)
	}
}

// TestNoSecrets: the values of variables are in no error.
func TestNoSecrets(t *testing.T) {
	const secret = "hunter2"
	for _, text := range []string{
		"[env]\nPASS = [\"" + secret + "\"]", "[env]\n\"A=B\" = \"" + secret + "\"", "[env]\nPASS = \"" + secret +
			"\\u0000\"",
		"env = \"" + secret + "\"", "[env]\nPASS = \"" + secret + "\"\nPASS = \"" + secret + "\"",
	} {
		_, err := resolveText(text)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, err := ReadEnvFile(envFile(t, "PASS=\"hunter2\n"))
	wantError(t, err, "cannot use the value of PASS")
	if _, other := ReadEnvFile(envFile(t, "hunter2\n")); strings.Contains(err.Error()+other.Error(), secret) {
		t.Errorf("%v, %v", err, other)
	}
}
