package config

import (
	"strings"
	"testing"
)

// idleCases are settings without effect, each with what is said of it: an error begins with
// "cannot", all else is a remark.
var idleCases = map[string]string{
	// What is asked for and never happens is refused.
	"canary = \"0s\"\ncanary_share = \"5%\"": `2:16: cannot give a canary 5% of the new connections: its probation is 0s`,
	"[health]\ninterval = \"1s\"": `2:12: cannot use health.interval without a check, for nothing is asked: write http ` +
		`= "/healthz"`,
	"[health]\ninterval = \"10s\"": `2:12: cannot use health.interval without a check`, // the default
	"health.timeout = \"1s\"":      `1:18: cannot use health.timeout without a check`,
	"health.failures = 5":          `1:19: cannot use health.failures without a check`,
	"health.start_period = \"1m\"": `1:23: cannot use health.start_period without a check`,
	"health.status = 200":          `1:17: cannot use health.status without a check by HTTP`,
	"health.body = \"ok\"\nhealth.tcp = true": `1:15: cannot use health.body without a check by HTTP: ` +
		`write http = "/healthz" in [health], or --health /healthz`,
	"health.host = \"shop\"\nhealth.command = \"true\"": `1:15: cannot use health.host without a check by HTTP`,
	"[health.headers]\nX = \"y\"":                       `cannot use health.headers without a check by HTTP`,
	"[health]\ntcp = false\nfailures = 2":               `3:12: cannot use health.failures without a check`,

	"workers = \"2..8\"\ncapture = \"off\"": `1:11: cannot use 2..8 workers: relevo has no socket ` +
		`whose load it could look at`,
	"workers = \"0..4\"\ncapture = \"off\"": `1:11: cannot use 0..4 workers: relevo has no socket ` +
		`at which a client could wake the first one, for capture is off and there is no listener; ` +
		`write listen = [":8080"], or take capture = "off" away, or write workers = 1`,
	"idle = \"5m\"\nworkers = 2": `1:8: cannot use idle with 2 workers, for as many stay while no client ` +
		`comes: write workers = "0..2"`,
	"idle = \"5m\"\nworkers = \"1..4\"":     `1:8: cannot use idle with 1..4 workers`,
	"idle = \"10m\"\nworkers = 2":           `1:8: cannot use idle with 2 workers`, // the default
	"workers = \"2..2\"":                    `1:11: the number of workers stays 2: 2..2 has nothing between`,
	"workers = \"2..2\"\ncapture = \"off\"": `1:11: the number of workers stays 2`,
	"limits.memory_reserve = \"1GiB\"\nworkers = 2": `1:25: cannot use limits.memory_reserve with 2 ` +
		`workers, for their number does not follow the load: write workers = "2..4"`,

	"node_load = true\nno_preload = true": `1:13: cannot have Node workers report their load: with no_preload`,

	// What is legal and has no effect is told.
	"workers = 1\nbalance = \"sticky\"": `2:11: balance is sticky, and there is one worker`,
	"workers = 2\nbalance = \"sticky\"\nlisten = [\"unix:/a\", \"udp::1\"]": `2:11: balance is sticky without effect ` +
		`on unix:/a`,
	"workers = 2\nbalance = \"sticky\"\ncapture = \"off\"": `2:11: clients do not stick to workers, although balance ` +
		`is sticky: capture is off`,
	"balance = \"even\"\ncapture = \"off\"":               `1:11: balance is even without effect: capture is off`,
	"capture = \"off\"\nlisten = [\":1,balance=sticky\"]": `2:11: clients do not stick to workers`,
	"canary_share = \"5%\"\nbalance = \"shared\"":         `1:16: canary_share of 5% has no effect: balance is shared`,
	"canary_share = \"5%\"\ncapture = \"off\"":            `1:16: canary_share of 5% has no effect: capture is off`,
	"rescue = \"on\"\ncapture = \"off\"":                  `1:10: rescue = "on" has no effect: capture is off`,
	"blocking = true":                                     `1:12: blocking has no effect`,
	"limits.lifetime_jitter = \"20%\"": `1:26: limits.lifetime_jitter has no effect: no ` +
		`worker is replaced for its age`,
	"health.http = \"/\"\nbalance = \"shared\"": `1:15: health.http asks the pool as a whole, and no worker is ` +
		`replaced for it: balance is shared`,
	"health.tcp = true\ncapture = \"off\"": `1:14: health.tcp asks the pool as a whole`,
	"health.http = \"/\"\nhealth.start_period = \"1m\"": `2:23: health.start_period of 1m ends ` +
		`after 27s where other workers serve, for ready_timeout is 30s; write ready_timeout = "2m"`,

	"ready = \"delay=1m\"": `1:9: ready = "delay=1m" has no effect: a worker that is not ready within 30s ` +
		`(ready_timeout) has failed; write ready_timeout = "2m"`,

	// What has an effect is neither.
	"workers = \"0..1\"":                                            "",
	"workers = \"0..4\"\nidle = \"5m\"":                             "",
	"workers = \"0..4\"\ncapture = \"off\"\nlisten = [\"unix:/a\"]": "",
	"ready = \"delay=2s\"":                                          "",
	"canary = \"1m\"\ncanary_share = \"5%\"":                        "",
	"canary = \"0s\"":                                               "",
	"canary_share = \"5%\"\nbalance = \"shared\"\nlisten = [\":1,balance=even\"]": "",
	"workers = 2\nbalance = \"sticky\"":                                           "",
	"workers = 2\nbalance = \"sticky\"\nlisten = [\"unix:/a\", \":1\"]":           "",
	"balance = \"shared\"\ncapture = \"off\"":                                     "",
	"rescue = \"off\"\ncapture = \"off\"":                                         "",
	"blocking = true\nlisten = [\":1\"]":                                          "",
	"blocking = false":                                                            "",
	"limits.lifetime_jitter = 0.2\nlimits.max_lifetime = \"1h\"":                  "",
	"health.tcp = true\nhealth.interval = \"1s\"":                                 "",
	"health.tcp = false":                                                          "",
	"health.http = \"/\"\nhealth.body = \"ok\"\nhealth.headers.X = \"y\"":         "",
	"health.command = \"true\"\nbalance = \"shared\"":                             "",
	"health.http = \"/\"\nhealth.start_period = \"1m\"\nready_timeout = \"2m\"":   "",
}

// TestIdle: a setting that has no effect is refused or told, with its place.
func TestIdle(t *testing.T) {
	for text, want := range idleCases {
		sources := Sources{Defaults: Default(), File: parse("relevo.toml", "/srv", []byte(text)), Dir: "/home",
			NoCommand: true}
		sources.Defaults.Workers = 4 // whatever this machine has
		_, err := sources.Resolve()
		said := strings.Join(sources.Remarks(), "\n")
		refused := strings.Contains(want, "cannot ")
		switch {
		case refused && (err == nil || !strings.Contains(err.Error(), want) || said != ""):
			t.Errorf("%q:\n got %v, %q\nwant the error %s", text, err, said, want)
		case !refused && err != nil:
			t.Errorf("%q: %v", text, err)
		case !refused && (want == "") != (said == "") || !refused && !strings.Contains(said, want) ||
			strings.Contains(said, "\n"):
			t.Errorf("%q:\n got %q\nwant the remark %q", text, said, want)
		}
	}
}

// TestIdleSources: a stronger source may switch off what a weaker one asks for, which is
// told; one that asks in vain is refused.
func TestIdleSources(t *testing.T) {
	for name, c := range map[string]struct {
		file     string
		variable map[string]string
		flags    map[string][]string
		refused  string
		told     string
	}{
		"flags alone": {flags: map[string][]string{"canary": {"0"}, "canary_share": {"5%"}},
			refused: "its probation is 0s, so it gets its part as all others; write a time for it: canary = \"10m\", " +
				"or --canary 10m (flag --canary-share)"},
		"a flag switches off": {file: `canary_share = "5%"`, flags: map[string][]string{"canary": {"0"}},
			told: "relevo.toml:1:16: it has no effect to give a canary 5%"},
		"a flag asks in vain": {file: `canary = "0s"`, flags: map[string][]string{"canary_share": {"5%"}},
			refused: "(flag --canary-share)"},
		"a variable": {variable: map[string]string{"RELEVO_HEALTH_INTERVAL": "1s"},
			refused: "(environment variable RELEVO_HEALTH_INTERVAL)"},
		"a flag": {flags: map[string][]string{"health.failures": {"2"}},
			refused: "cannot use health.failures without a check"},
		"a flag with the default": {flags: map[string][]string{"health.interval": {"10s"}},
			refused: "(flag --health-interval)"},
		"a flag has the check": {file: "health.interval = \"1s\"",
			flags: map[string][]string{"health.http": {"/"}}},
		"a flag takes the check away": {file: "health.interval = \"1s\"\nhealth.tcp = true",
			flags: map[string][]string{"health.tcp": {"false"}},
			told:  "relevo.toml:1:19: it has no effect to use health.interval without a check"},
		"other errors come first": {file: "surge = 0\nhealth.failures = 2", refused: "surge"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Sources{Defaults: Default(), Flags: c.flags, Dir: "/home", NoCommand: true,
				File: parse("relevo.toml", "/srv", []byte(c.file))}
			s.Getenv = func(name string) string { return c.variable[name] }
			_, err := s.Resolve()
			if (c.refused == "") != (err == nil) || err != nil && (!strings.Contains(err.Error(), c.refused) ||
				strings.Contains(err.Error(), "\n")) {
				t.Errorf("error %v, want %q", err, c.refused)
			}
			if said := strings.Join(s.Remarks(), "\n"); (c.told == "") != (said == "") || !strings.Contains(said, c.told) {
				t.Errorf("told %q, want %q", said, c.told)
			}
		})
	}
}
