package cli

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/pool"
	"relevo/pool/machine"
)

// rolledWell is a roll that went well, in 1.2 seconds.
func rolledWell() pool.RollResult {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	return pool.RollResult{Generation: 3, From: 2, Result: machine.OK, Replaced: 2, Started: at,
		Ended: at.Add(1200 * time.Millisecond), Release: &pool.Info{SHA256: "ab12cd34ef56", Version: "v1.4.3"}}
}

// TestCommandsAsk: each command's request to the master, its output, and its exit code.
func TestCommandsAsk(t *testing.T) {
	emptyPlaces(t)
	m := &standIn{result: rolledWell(), status: control.Status{Name: "web", PID: 9}}
	m.serve(t, "web")
	for _, c := range []struct {
		args  string
		asks  string
		code  int
		out   string
		wrong string // on stderr
	}{
		{"reload", `reload {}`, 0, "web: generation 3 serves v1.4.3, 2 workers replaced in 1.2s\n", ""},
		{"reload web --force", `reload {"force":true}`, 0, "web: generation 3 serves", ""},
		{"reload --canary 10m --share 5%", `reload {"canary":"10m","share":"5%"}`, 0, "web: generation 3", ""},
		{"reload --no-wait", `reload {}`, 0, "", ""},
		{"reload --no-wait --json", `reload {}`, 0, `"begun": true`, ""},
		{"reload --json", `reload {}`, 0, `"replaced": 2`, ""},
		{"reload --no-wait --dry-run", "", 2, "", "cannot use --no-wait with --dry-run"},
		{"reload --share 5% --dry-run", "", 2, "", "cannot use --canary or --share with --dry-run"},
		{"reload --canary 10", "", 2, "", "(flag --canary)"},
		{"reload --share 99%", "", 2, "", "(flag --share)"},
		{"reload --canary 0s --share 5%", "", 2, "", "cannot"},
		{"reload shop", "", 3, "", `cannot reach "shop": not running`},
		{"reload we* --json", `reload {}`, 0, "[\n  {\n    \"ended\": ", ""},
		{"reload we* --json --no-wait", `reload {}`, 0, "[\n  {\n    \"begun\": true,\n    \"name\": \"web\"\n  }\n]\n", ""},
		{"reload web shop --json", `reload {}`, 3, "    \"error\": \"cannot reach", `cannot reach "shop"`},
		{"reload we*", `reload {}`, 0, "web: generation 3 serves", ""},
		{"reload sh*", "", 3, "", "cannot find an app sh*: there is web"},
		{"rollback web shop", "", 2, "", `cannot use the argument "shop": relevo rollback takes one NAME at most`},
		{"rollback", `rollback ""`, 0, "web: generation 3 serves", ""},
		{"rollback --to ab12 --no-wait", `rollback "ab12"`, 0, "", ""},
		{"rollback --to=", "", 2, "", "cannot use an empty text as the hash of a release"},
		{"monit", "", 2, "", "cannot show monit: standard output is no terminal; relevo list --watch and relevo status " +
			"--watch print"},
		{"promote", "promote", 0, "web: worker 7 in slot 1 is promoted: the roll continues\n", ""},
		{"promote --json", "promote", 0, `"id": "7"`, ""},
		{"scale 3", "scale 3", 0, "web: from 2 to 3 workers\n", ""},
		{"scale web +1", "scale +1", 0, "web: from 2 to 3 workers\n", ""},
		{"scale web -1", "scale -1", 0, "web: from 2 to 3 workers\n", ""},
		{"scale -2 --json", "scale -2", 0, `"to": 3`, ""},
		{"scale web auto", "scale auto", 0, "web: from 2 to 3 workers\n", ""},
		{"scale", "", 2, "", "cannot scale: how many workers are wanted?"},
		{"scale web 1 2", "", 2, "", "cannot scale"},
		{"scale all 3 --json", "scale 3", 0, `"to": 3`, ""},
		{`send {"a":1}`, `send {"a":1} to all`, 0, "sent to 2 workers: 3 4\n", ""},
		{"send web --slot 0 1", "send 1 to slot 0", 0, "sent to 2 workers: 3 4\n", ""},
		{"send --id 7 --json 1", "send 1 to worker 7", 0, `"3"`, ""},
		{"send hello", "", 2, "", `cannot send "hello": it is not JSON (a string needs its quotes: '"hello"')`},
		{"send --slot 0 --id 7 1", "", 2, "", "cannot use --slot and --id at the same time"},
		{"send --slot -1 1", "", 2, "", `cannot use "-1": write a whole number from 0 on (flag --slot)`},
		{"send", "", 2, "", "cannot run relevo send with 0 arguments: it takes [NAME] JSON"},
		{"signal USR1", "signal 10 to all", 0, "signalled 1 worker: 3\n", ""},
		{"signal web --slot 1 KILL", "signal 9 to slot 1", 0, "signalled 1 worker: 3\n", ""},
		{"signal --slot 0 --id 7 HUP", "", 2, "", "cannot use --slot and --id"},
		{"signal NONE", "", 2, "", "NONE"},
		{"upgrade", "upgrade", 0, "web: master replaced in place, pid 9 stays in ", ""},
		{"upgrade --json", "upgrade", 0, `"pid": 9`, ""},
		{"releases --prune", "prune", 0, "2 copies removed, 3.0 MiB freed\n", ""},
		{"releases --prune --json", "prune", 0, `"copies": 2`, ""},
		{"events --json=false", "", 2, "", "cannot print events in another form"},
		{"status ../web", "", 2, "", "cannot"},
		{"status shop", "", 3, "", "; running: web\n"},
		{"list", "", 0, "NAME", ""},
		{"list web --json", "", 0, `"name": "web"`, ""},
		{"ls w* web", "", 0, "web ", ""},
		{"ps all", "", 0, "web ", ""},
		{"list shop", "", 3, "", "cannot find an app shop: there is web"},
		{"list web s*", "", 3, "", "cannot find an app s*: there is web"},
		{"list --watch shop", "", 3, "", "cannot find an app shop: there is web"},
		{"list ../web", "", 2, "", "cannot"},
	} {
		code, out, said := command(t, strings.Fields(c.args)...)
		if asked := m.wasAsked(); asked != c.asks {
			t.Errorf("%s asks %s, want %s", c.args, asked, c.asks)
		}
		if code != c.code || !strings.Contains(out, c.out) || c.out == "" && out != "" || !strings.Contains(said, c.wrong) ||
			c.wrong == "" && said != "" {
			t.Errorf("%s: exit code %d, want %d\nout:  %swant: %s\nsaid: %swant: %s", c.args, code, c.code, out, c.out, said,
				c.wrong)
		}
	}
}

// TestRefusals: if the master refuses, the command exits with the code of the refusal.
func TestRefusals(t *testing.T) {
	emptyPlaces(t)
	m := &standIn{status: control.Status{Name: "web"}}
	m.serve(t, "web")
	for _, code := range []int{control.ExitFailure, control.ExitConfig, control.ExitRollFailed, control.ExitBusy} {
		m.refuses = control.WithExit(errors.New("cannot do that:\nnot today"), code)
		for _, args := range []string{"reload", "reload --no-wait", "reload --no-wait --json", "reload --dry-run", "rollback",
			"rollback --no-wait", "promote", "abort", "scale 3", "stop", "stop --force", "send 1", "signal HUP", "releases",
			"releases --prune", "upgrade"} {
			got, out, said := command(t, strings.Fields(args)...)
			if got != code || said != "relevo: cannot do that:\nnot today\n" || out != "" {
				t.Errorf("%s: exit code %d, want %d: %s%s", args, got, code, out, said)
			}
		}
	}
}

// TestRollsThatFail: a failed roll is reported with its reason, and the exit code says how it
// ended.
func TestRollsThatFail(t *testing.T) {
	emptyPlaces(t)
	m := &standIn{status: control.Status{Name: "web"}}
	m.serve(t, "web")
	for result, want := range map[machine.Result]int{machine.RolledBack: control.ExitRollFailed,
		machine.Failed: control.ExitRollFailed, machine.Aborted: control.ExitBusy} {
		m.result = pool.RollResult{Generation: 3, From: 2, Result: result, Reason: "it has no database", Worker: "8",
			Slot: new(int), Tail: []string{"dial tcp: refused"}}
		code, out, said := command(t, "reload", "web")
		if code != want || out != "" || !strings.HasPrefix(said, "relevo: cannot roll to generation 3: slot 0, worker 8: "+
			"it has no database\n") || !strings.Contains(said, "dial tcp: refused") {
			t.Errorf("%s: exit code %d, want %d: %s%s", result, code, want, out, said)
		}
		code, out, said = command(t, "reload", "web", "--json")
		var told pool.RollResult
		if err := json.Unmarshal([]byte(out), &told); err != nil || told.Result != result || code != want || said != "" {
			t.Errorf("%s in JSON: exit code %d, want %d: %v %s%s", result, code, want, err, out, said)
		}
		aborts := want
		if result == machine.RolledBack {
			aborts = control.ExitOK // that is what was asked for
		}
		if code, out, said := command(t, "abort"); code != aborts || (out ==
			"web: the roll to generation 3 is aborted, generation 2 serves\n") != (aborts == 0) {
			t.Errorf("abort, %s: exit code %d, want %d: %s%s", result, code, aborts, out, said)
		}
		if code, _, said := command(t, "abort", "--json"); code != aborts || said != "" {
			t.Errorf("abort in JSON, %s: exit code %d, want %d: %s", result, code, aborts, said)
		}
	}
}

// TestStop: stop waits for the end of the master, except with --no-wait.
func TestStop(t *testing.T) {
	for args, want := range map[string]struct{ asks, out string }{
		"stop":                  {"stop force=false", "web is stopped\n"},
		"stop --force":          {"stop force=true", "web is stopped\n"},
		"stop --json":           {"stop force=false", `"stopped": true`},
		"stop --no-wait":        {"stop force=false", "web is stopping\n"},
		"stop --no-wait --json": {"stop force=false", `"stopped": false`},
	} {
		emptyPlaces(t)
		m := &standIn{events: make(chan pool.Event), status: control.Status{Name: "web"}}
		m.serve(t, "web")
		end := m.onStop
		m.onStop = func() { close(m.events); end() }
		code, out, said := command(t, strings.Fields(args)...)
		if asked := m.wasAsked(); code != 0 || said != "" || asked != want.asks || !strings.Contains(out, want.out) {
			t.Errorf("%s: exit code %d, asks %s, says %s%s", args, code, asked, out, said)
		}
		if !strings.Contains(args, "--no-wait") {
			if code, _, _ := command(t, "status", "web"); code != control.ExitNotRunning {
				t.Errorf("%s: exit code %d of the status after it", args, code)
			}
		}
	}
}

// TestWhichMaster: a command finds the master that its argument, the environment or the file names,
// or else the only one.
func TestWhichMaster(t *testing.T) {
	work := emptyPlaces(t)
	if code, _, said := command(t, "status"); code != control.ExitNotRunning || said !=
		"relevo: cannot find a running master in "+os.Getenv("RELEVO_RUNTIME_DIR")+"\n" {
		t.Errorf("no master: exit code %d: %s", code, said)
	}
	if code, out, said := command(t, "list"); code != 0 || out != "" ||
		!strings.Contains(said, "runs in "+os.Getenv("RELEVO_RUNTIME_DIR")) {
		t.Errorf("no master: exit code %d: %s%s", code, out, said)
	}
	if _, out, _ := command(t, "list", "--json"); out != "[]\n" {
		t.Errorf("no master in JSON: %s", out)
	}
	for _, name := range []string{"shop", "web"} {
		m := &standIn{status: control.Status{Name: name, Status: pool.Status{State: "running"}}}
		m.serve(t, name)
	}
	if code, _, said := command(t, "status"); code != control.ExitUsage ||
		said != "relevo: cannot tell which master is meant: shop, web run; name one\n" {
		t.Errorf("two masters: exit code %d: %s", code, said)
	}
	writeFiles(t, work, map[string]string{config.DefaultFile: "name = \"shop\"\n"})
	if code, out, said := command(t, "status"); code != 0 || !strings.HasPrefix(out, "shop  running") {
		t.Errorf("by the file: exit code %d: %s%s", code, out, said)
	}
	t.Setenv("RELEVO_NAME", "web")
	if code, out, said := command(t, "status"); code != 0 || !strings.HasPrefix(out, "web  running") {
		t.Errorf("by the environment: exit code %d: %s%s", code, out, said)
	}
	if code, out, said := command(t, "status", "shop"); code != 0 || !strings.HasPrefix(out, "shop  running") {
		t.Errorf("by its name: exit code %d: %s%s", code, out, said)
	}
	if _, out, _ := command(t, "__complete", "status", ""); !regexp.MustCompile(`(?s)^shop\nweb\n:4`).MatchString(out) {
		t.Errorf("the shell completes to\n%s", out)
	}
	if _, out, _ := command(t, "__complete", "status", "web", ""); !strings.Contains(out, "shop") ||
		strings.Contains(out, "web\n") {
		t.Errorf("the shell completes a second name to\n%s", out)
	}
	if _, out, _ := command(t, "__complete", "rollback", "web", ""); strings.Contains(out, "shop") {
		t.Errorf("the shell completes a second name of a command that takes one to\n%s", out)
	}
}
