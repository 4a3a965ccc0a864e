package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/pool"
	"relevo/pool/machine"
)

// fullStatus has a value in every field that status prints.
func fullStatus() control.Status {
	now := time.Now()
	old := &pool.Info{SHA256: "aaaaaaaaaaaaaaaaaaaa", Version: "v1"}
	next := &pool.Info{SHA256: "bbbbbbbbbbbbbbbbbbbb"}
	died := &pool.ExitStatus{Code: 3}
	return control.Status{
		Name: "web", PID: 77, Version: "v0.1",
		Listeners: []control.Listener{{Name: "http", Address: "127.0.0.1:80"},
			{Name: "ws", Address: "[::]:81", Captured: true, Balance: config.BalanceSticky}},
		Warnings: []string{"look at this"},
		Health:   &control.Health{Check: "GET /ok", IntervalMS: 5000},
		Status: pool.Status{
			Generation: 4, State: "rolling", Slots: 5, Release: old, Rolling: next,
			Canary: &pool.Canary{Slot: 1, ID: "12", Until: now.Add(-time.Second), Share: "5%", Hint: "it gets more"},
			Workers: []pool.Worker{
				{Slot: 0, ID: "11", PID: 101, Generation: 4, State: string(machine.Serving), ReadyBy: "observed", Release: old,
					Started: now.Add(-90*time.Minute - 10*time.Second), Health: &pool.Health{OK: true, MedianMS: 1.5, MaxMS: 20}},
				{Slot: 1, ID: "12", PID: 102, Generation: 5, State: string(machine.Serving), Release: next, Text: "warm",
					Started: now.Add(-50*time.Hour - 10*time.Second), Health: &pool.Health{Fault: "status 500", Out: true, MaxMS: 3}},
				{Slot: 2, ID: "10", PID: 100, Generation: 3, State: string(machine.Draining), Open: 1, Text: "busy",
					Started: now.Add(-150*time.Second - 500*time.Millisecond)},
				{Slot: 3, Generation: 4, State: "backoff", Retry: now.Add(-10 * time.Millisecond), LastExit: died, Respawns: 2},
				{Slot: 4, ID: "13", Generation: 4, State: "starting", LastExit: died, Respawns: 1},
			},
			LastRoll: &pool.RollResult{Generation: 4, Result: machine.RolledBack, Automatic: true, Reason: "it crashed",
				Ended: now.Add(-3 * time.Hour)},
			Connections: pool.Connections{Finished: 5, Cut: 1},
		},
	}
}

// TestStatusText: the output of status for a full status.
func TestStatusText(t *testing.T) {
	emptyPlaces(t)
	m := &standIn{status: fullStatus()}
	m.serve(t, "web")
	code, out, said := command(t, "status")
	want := `web  rolling  generation 4  master pid 77  relevo v0.1
listening on http=127.0.0.1:80  ws=[::]:81 (captured, sticky)
rolling v1 → bbbbbbbbbbbb
on probation: worker 12 in slot 1, for 0s, with 5% of the new connections; relevo promote, relevo abort
it gets more
look at this

SLOT  WORKER  PID  GEN  STATE     UP      RESPAWNS  RELEASE          NOTE
0     11      101  4    serving   1h30m   0         aaaaaaaaaaaa v1  ready: observed
1     12      102  5    serving   2d02h   0         bbbbbbbbbbbb     unhealthy: status 500 (gets no new clients)
2     10      100  3    draining  2m30s   0         -                1 connection left
3     -       -    4    backoff   -       2         -                next try in 0s, after exit status 3
4     13      -    4    starting  -       1         -                last: exit status 3

health: GET /ok every 5s: 1 of 2 well; the slowest answers in 1.5ms (median), 20ms at most

last roll: generation 4, rolled-back (automatic), 3h0m0s ago: it crashed

connections of workers that left: 5 finished, 0 rescued, 1 cut
`
	if got := tidied(out); code != 0 || said != "" || got != tidied(want) {
		t.Errorf("exit code %d: %s\n%s\nwant:\n%s", code, said, got, tidied(want))
	}
	_, out, _ = command(t, "status", "--json")
	var told control.Status
	if err := json.Unmarshal([]byte(out), &told); err != nil || told.Workers[1].Health.Fault != "status 500" {
		t.Errorf("in JSON: %v %s", err, out)
	}
	m.status.Health.Pool = &pool.Health{OK: true}
	m.status.LastRoll = &pool.RollResult{Generation: 4, Result: machine.OK, Ended: time.Now().Add(-time.Hour)}
	_, out, _ = command(t, "status")
	for _, want := range []string{"\nhealth: GET /ok every 5s, of the pool as a whole: well\n",
		"\nlast roll: generation 4, ok, took "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	m.status.Health.Pool = &pool.Health{Fault: "no answer"}
	if _, out, _ := command(t, "status"); !strings.Contains(out, "of the pool as a whole: unhealthy: no answer\n") {
		t.Errorf("the pool's health is\n%s", out)
	}
}

// tidied reduces the padding of tables to one space, and removes it at the ends of lines.
func tidied(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

// TestStatusColors: output is coloured only on request.
func TestStatusColors(t *testing.T) {
	emptyPlaces(t)
	m := &standIn{status: fullStatus()}
	m.serve(t, "web")
	t.Setenv("TERM", "xterm")
	t.Setenv("FORCE_COLOR", "1")
	for never, want := range map[string]bool{"": true, "1": false} {
		t.Setenv("NO_COLOR", never)
		_, out, _ := command(t, "status")
		if strings.Contains(out, "\x1b[1mweb\x1b[0m") != want ||
			strings.Contains(out, "\x1b[33mlook at this\x1b[0m") != want {
			t.Errorf("NO_COLOR=%s: %q", never, out)
		}
	}
}

func TestReleasesText(t *testing.T) {
	emptyPlaces(t)
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.Local)
	m := &standIn{}
	for _, r := range []control.Release{
		{SHA256: "111111111111", Version: "v2", Size: 3 << 30, Verdict: "good", Serving: true, Kept: true},
		{SHA256: "222222222222", Size: 5 << 20, Verdict: "bad", Reason: "it crashed", Serving: true, Kept: true},
		{SHA256: "333333333333", Size: 1536, Verdict: "bad", Reason: "it crashed"},
		{SHA256: "444444444444", Size: 12, Directory: "/srv/4", Kept: true},
		{SHA256: "555555555555", Directory: "/srv/5"},
		{SHA256: "666666666666", Kept: true, Reason: "it hung"},
	} {
		r.LastUsed = at
		m.releases.Releases = append(m.releases.Releases, r)
	}
	m.serve(t, "web")
	code, out, said := command(t, "releases", "web")
	want := `HASH VERSION SIZE LAST USED VERDICT NOTE
111111111111 v2 3.0 GiB 2030-01-02 03:04:05 good serving
222222222222 - 5.0 MiB 2030-01-02 03:04:05 bad serving; it crashed
333333333333 - 1.5 KiB 2030-01-02 03:04:05 bad it crashed (no copy kept)
444444444444 - 12 B 2030-01-02 03:04:05 - /srv/4
555555555555 - 0 B 2030-01-02 03:04:05 - no copy kept; /srv/5
666666666666 - 0 B 2030-01-02 03:04:05 - it hung`
	if got := tidied(out); code != 0 || said != "" || got != want {
		t.Errorf("exit code %d: %s\n%s\nwant:\n%s", code, said, got, want)
	}
	if _, out, _ := command(t, "releases", "--json"); !strings.Contains(out, `"verdict": "bad"`) {
		t.Errorf("in JSON: %s", out)
	}
}

// TestPlanText: the output of reload --dry-run. A reload that would be refused is an error, except
// with --force.
func TestPlanText(t *testing.T) {
	emptyPlaces(t)
	m := &standIn{plan: control.Plan{Running: pool.Info{SHA256: "aaaaaaaaaaaa", Version: "v1"},
		Next: pool.Info{SHA256: "aaaaaaaaaaaa"}}}
	m.serve(t, "web")
	if code, out, _ := command(t, "reload", "--dry-run"); code != 0 || out !=
		"web: a reload would replace every worker and change nothing: configuration and bytes are the same\n" {
		t.Errorf("no change: exit code %d: %s", code, out)
	}
	m.plan.Next = pool.Info{SHA256: "bbbbbbbbbbbb"}
	m.plan.Changes = []config.Change{{Key: "workers", Old: "2", New: "3", Applies: "at once"}, {Key: "user", New: "www"}}
	m.plan.Refused = "bbbbbbbbbbbb failed before"
	want := `web: a reload would replace every worker and change:
workers 2 → 3 (at once)
user - → www ()
the release aaaaaaaaaaaa v1 → bbbbbbbbbbbb`
	code, out, said := command(t, "reload", "--dry-run")
	if tidied(out) != want || code != control.ExitRollFailed || said !=
		"relevo: a reload would be refused: bbbbbbbbbbbb failed before; relevo reload web --force tries it again\n" {
		t.Errorf("exit code %d: %s\n%s\nwant:\n%s", code, said, tidied(out), want)
	}
	if code, out, said := command(t, "reload", "--dry-run", "--force"); code != 0 || tidied(out) != want || said != "" {
		t.Errorf("forced: exit code %d: %s\n%s", code, said, out)
	}
	if code, out, _ := command(t, "reload", "--dry-run", "--json"); code != control.ExitRollFailed ||
		!strings.Contains(out, `"refused": "bbbbbbbbbbbb failed before"`) {
		t.Errorf("in JSON: exit code %d: %s", code, out)
	}
}

// TestRollSteps: the steps of a roll as reload shows them while it waits.
func TestRollSteps(t *testing.T) {
	one, minutes := 1, int64(600_000)
	for _, c := range []struct {
		event pool.Event
		want  string
	}{
		{pool.Event{Step: pool.StepBegan, From: 2, Generation: 3}, "rolling from generation 2 to 3: the canary starts"},
		{pool.Event{Step: pool.StepBegan, From: 2, Generation: 3, FromRelease: &pool.Info{SHA256: "a", Version: "v1"},
			Release: &pool.Info{SHA256: "b"}}, "rolling v1 → b (generation 2 to 3): the canary starts"},
		{pool.Event{Step: pool.StepProbation, ID: "5", AfterMS: new(int64)}, ""},
		{pool.Event{Step: pool.StepProbation, ID: "5", Slot: &one, AfterMS: &minutes, Share: "5%", Hint: "about"},
			"worker 5 in slot 1 is on probation for 10m00s, with 5% of the new connections; about; " +
				"relevo promote, relevo abort"},
		{pool.Event{Step: pool.StepCanary, ID: "5", Slot: &one}, "the canary passed: worker 5 in slot 1"},
		{pool.Event{Step: pool.StepReplaced, ID: "6", Slot: &one, Done: 2, Of: 3}, "2/3  slot 1 is served by worker 6"},
		{pool.Event{Step: pool.StepReverting, Slot: &one, Reason: "it died", To: 2},
			"slot 1 failed: it died; going back to generation 2"},
		{pool.Event{Step: pool.StepReverted, Slot: &one, Done: 1, Of: 2}, "1/2  slot 1 is back on the old generation"},
		{pool.Event{Step: pool.StepSuperseded, Generation: 3, To: 4}, "generation 3 gives way to 4"},
		{pool.Event{Step: pool.StepEnded}, ""},
	} {
		c.event.Kind = pool.KindRoll
		if got := rollText(c.event); got != c.want {
			t.Errorf("%s: %q, want %q", c.event.Step, got, c.want)
		}
		c.event.Kind = pool.KindReady
		if got := rollText(c.event); got != "" {
			t.Errorf("%s of no roll: %q", c.event.Step, got)
		}
	}
}

// TestReloadShowsSteps: without a terminal each step has a line, in order and before the result.
func TestReloadShowsSteps(t *testing.T) {
	emptyPlaces(t)
	m := &standIn{result: rolledWell(), events: make(chan pool.Event, 3)}
	m.events <- pool.Event{Kind: pool.KindRoll, Step: pool.StepBegan, From: 2, Generation: 3}
	m.events <- pool.Event{Kind: pool.KindRoll, Step: pool.StepCanary, ID: "5", Slot: new(int)}
	m.events <- pool.Event{Kind: pool.KindRoll, Step: pool.StepEnded}
	m.serve(t, "web")
	if code, out, said := command(t, "reload"); code != 0 || !strings.HasPrefix(out, "web: generation 3 serves") ||
		said != "rolling from generation 2 to 3: the canary starts\nthe canary passed: worker 5 in slot 0\n" {
		t.Errorf("exit code %d: %s%s", code, out, said)
	}
}

// TestEvents: one line of JSON each, until the app ends.
func TestEvents(t *testing.T) {
	emptyPlaces(t)
	m := &standIn{events: make(chan pool.Event, 2)}
	m.events <- pool.Event{Kind: pool.KindReady, ID: "5"}
	m.events <- pool.Event{Kind: pool.KindRoll, Step: pool.StepEnded}
	close(m.events)
	m.serve(t, "web")
	c := &cli{getenv: os.Getenv}
	client, err := control.Connect(t.Context(), filepath.Join(os.Getenv("RELEVO_RUNTIME_DIR"), "web.sock"))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := client.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c.stdout = file
	if err := c.printEvents(stream); err != nil {
		t.Fatal(err)
	}
	out, _ := os.ReadFile(file.Name())
	var kinds []pool.Kind
	for line := range strings.Lines(string(out)) {
		var e pool.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		kinds = append(kinds, e.Kind)
	}
	if len(kinds) != 2 || kinds[0] != pool.KindReady || kinds[1] != pool.KindRoll {
		t.Errorf("%s", out)
	}
}
