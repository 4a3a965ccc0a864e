package explain

import (
	"slices"
	"strings"
	"testing"
	"time"

	"relevo/internal/control"
	"relevo/pool"
	"relevo/pool/machine"
)

var at = time.Date(2030, 1, 2, 12, 0, 0, 0, time.Local)

func ptr[T any](v T) *T { return &v }

// TestSentences: each kind of entry has its words.
func TestSentences(t *testing.T) {
	slot := ptr(2)
	one, two := &pool.Info{SHA256: "aaaaaaaaaaaaaaaa"}, &pool.Info{SHA256: "bbbbbbbbbbbbbbbb", Version: "2.0"}
	for _, test := range []struct {
		entry pool.Entry
		want  string
	}{
		{entry(pool.Event{Kind: pool.KindStarted, Addresses: []string{":80", ":81"}}), "The app began to serve on :80, :81."},
		{entry(pool.Event{Kind: pool.KindStartFailed, Reason: "exit status 1"}), "The app could not start: exit status 1."},
		{entry(pool.Event{Kind: pool.KindRoll, Step: pool.StepAsked, Reason: "SIGHUP"}), "A roll was asked for: SIGHUP."},
		{entry(pool.Event{Kind: pool.KindRoll, Step: pool.StepBegan, From: 1, Generation: 2, Release: two,
			FromRelease: one}),
			"The roll from generation 1 (release aaaaaaaaaaaa) to generation 2 (release bbbbbbbbbbbb, version 2.0) began."},
		{entry(pool.Event{Kind: pool.KindRoll, Step: pool.StepProbation, ID: "7", AfterMS: ptr(int64(90_000))}),
			"Its canary, worker 7, was ready, and on probation for 1m30s."},
		{entry(pool.Event{Kind: pool.KindRoll, Step: pool.StepCanary, ID: "7"}), "The canary, worker 7, passed."},
		{entry(pool.Event{Kind: pool.KindRoll, Step: pool.StepReverting, Generation: 2, To: 1, Slot: slot, ID: "7",
			Reason: "exit status 3"}),
			"Generation 2 failed, with worker 7 in slot 2: exit status 3. relevo went back to generation 1."},
		{entry(pool.Event{Kind: pool.KindRoll, Step: pool.StepSuperseded, Generation: 2, To: 3}),
			"The roll to generation 2 gave way to a newer one, to generation 3."},
		{entry(pool.Event{Kind: pool.KindRoll, Step: pool.StepEnded, Generation: 2, Result: "ok", Done: 4,
			DurationMS: ptr(int64(3100))}), "The roll to generation 2 ended well: 4 workers replaced in 3.1s."},
		{entry(pool.Event{Kind: pool.KindRoll, Step: pool.StepEnded, Generation: 2, From: 1, Result: "rolled-back"}),
			"The roll to generation 2 ended: generation 1 keeps serving."},
		{entry(pool.Event{Kind: pool.KindRoll, Step: pool.StepEnded, Generation: 2, From: 1, Result: "failed",
			Reason: "x"}),
			"The roll to generation 2 failed, and not all slots could be put back on generation 1: x."},
		{entry(pool.Event{Kind: pool.KindRoll, Step: pool.StepEnded, Generation: 2, Result: "aborted",
			Reason: "the pool stops"}),
			"The roll to generation 2 was ended: the pool stops."},
		{entry(pool.Event{Kind: pool.KindRoll, Step: pool.StepReplaced}), ""},
		{entry(pool.Event{Kind: pool.KindExit, Slot: slot, ID: "7", Code: ptr(3), Text: "no database"}),
			"Worker 7 in slot 2 died: exit status 3: no database."},
		{entry(pool.Event{Kind: pool.KindExit, Slot: slot, ID: "7", Signal: "SIGSEGV"}),
			"Worker 7 in slot 2 died: killed by SIGSEGV."},
		{entry(pool.Event{Kind: pool.KindExit, Slot: slot, ID: "7", Blame: machine.BlameMaster,
			Reason: "cannot start: no memory"}),
			"Worker 7 in slot 2 could not be started: cannot start: no memory."},
		{again5(pool.Event{Kind: pool.KindExit, Slot: slot, ID: "7", Code: ptr(1)}),
			"The workers of slot 2 died 5 times until 12:01:00: exit status 1."},
		{entry(pool.Event{Kind: pool.KindResize, From: 2, To: 4}), "The number of workers was set from 2 to 4."},
		{entry(pool.Event{Kind: pool.KindResize, From: 2, To: 4, Reason: "3 connections wait"}),
			"The load changed the number of workers from 2 to 4: 3 connections wait."},
		{entry(pool.Event{Kind: pool.KindHung, Slot: slot, ID: "7", Reason: "hung: no sign of life for 9s"}),
			"Worker 7 in slot 2 was replaced: hung: no sign of life for 9s."},
		{entry(pool.Event{Kind: pool.KindRecycle, Slot: slot, Reason: "uses 9 MiB"}),
			"The worker of slot 2 was replaced: uses 9 MiB."},
		{again5(pool.Event{Kind: pool.KindUnhealthy, Slot: slot, ID: "7", Reason: "status 500"}),
			"Worker 7 in slot 2 failed its health check 5 times until 12:01:00: status 500."},
		{entry(pool.Event{Kind: pool.KindUnhealthy, Reason: "status 500"}),
			"The health check of the app failed: status 500."},
		{entry(pool.Event{Kind: pool.KindHealed, Text: "shut down", Addresses: []string{":80"},
			Workers: []string{"3", "4"}}),
			"A worker had damaged the listener on :80, and relevo repaired it: shut down. It may have been worker 3, 4."},
		{entry(pool.Event{Kind: pool.KindFlood, Slot: slot, ID: "7", Text: "9 datagrams dropped"}),
			"Worker 7 in slot 2 wrote more than relevo reads: 9 datagrams dropped."},
		{entry(pool.Event{Kind: pool.KindWrongLoad, Slot: slot, ID: "7", Text: "send a number"}),
			"Worker 7 in slot 2 reports a load that cannot be used: send a number."},
		{entry(pool.Event{Kind: pool.KindSuccession, Count: 1, Text: "continues the roll"}),
			"Another master took over, with 1 worker; it continues the roll."},
		{entry(pool.Event{Kind: pool.KindSleep, Reason: "no client for 10m"}), "The app went to sleep: no client for 10m."},
		{entry(pool.Event{Kind: pool.KindWake, Reason: "a client came"}), "The app woke: a client came."},
		{entry(pool.Event{Kind: pool.KindWake}), "The app woke."}, // a master before this one gave no reason
		{again5(pool.Event{Kind: pool.KindSleep, Reason: "no client for 10m"}),
			"The app went to sleep 5 times until " + at.Add(time.Minute).Local().Format(time.TimeOnly) +
				": no client for 10m."},
		{entry(pool.Event{Kind: pool.KindAbandoned}),
			"A worker did not end after SIGKILL, and relevo no longer waits for it."},
		{entry(pool.Event{Kind: pool.KindMessage}), ""},
	} {
		if got := sentence(test.entry); got != test.want {
			t.Errorf("%s %s: %q, want %q", test.entry.Kind, test.entry.Step, got, test.want)
		}
	}
}

func entry(e pool.Event) pool.Entry { e.Time = at; return pool.Entry{Event: e} }

func again5(e pool.Event) pool.Entry {
	e.Time = at
	return pool.Entry{Event: e, Times: 5, Last: at.Add(time.Minute)}
}

// TestTell: what is older is left out, unless it has happened again; advice is given once, and
// a healthy app needs none.
func TestTell(t *testing.T) {
	s := control.Status{Name: "web", Listeners: []control.Listener{{Address: ":80",
		Queue: &control.Queue{Waiting: ptr(90), Limit: ptr(100)}}}, Warnings: []string{"an older release serves"}}
	s.State, s.Slots, s.Generation, s.Release = "rolling", 2, 1, &pool.Info{SHA256: "aaaaaaaaaaaaaaaa"}
	s.Rolling = &pool.Info{SHA256: "bbbbbbbbbbbbbbbb"}
	s.Canary = &pool.Canary{Slot: 0, ID: "9", Until: at}
	s.Workers = []pool.Worker{{Slot: 0, ID: "1", State: "serving"},
		{Slot: 1, State: "backoff", Retry: at, LastExit: &pool.ExitStatus{Code: 1}}}
	s.LastRoll = &pool.RollResult{Result: machine.RolledBack}
	old := entry(pool.Event{Kind: pool.KindStarted})
	old.Time = at.Add(-2 * time.Hour)
	storm := again5(pool.Event{Kind: pool.KindExit, Slot: ptr(1), Code: ptr(1), Hint: "set DATABASE_URL"})
	storm.Time = at.Add(-2 * time.Hour)
	story := Tell(s, []pool.Entry{old, storm, storm}, at.Add(-time.Hour))
	wantLines(t, story.Now,
		"web is rolling: 1 of 2 workers serve generation 1 (release aaaaaaaaaaaa) on :80.",
		"A roll to release bbbbbbbbbbbb is under way.",
		"Its canary, worker 9 in slot 0, is on probation until 12:00:00.",
		"Slot 1 has no worker: the last one ended with exit status 1; the next one starts at 12:00:00.",
		"Warning: an older release serves.")
	if len(story.Happened) != 2 {
		t.Errorf("%d things happened, want 2: %+v", len(story.Happened), story.Happened)
	}
	wantLines(t, story.Do, "set DATABASE_URL", "relevo logs web shows what the workers that died had printed.",
		"Mend the release and run relevo reload web; relevo releases web lists the releases to go back to.",
		"The queue at :80 holds 90 clients, and at most 100: relevo scale web +1 adds a worker.")

	asleep := control.Status{Name: "web"}
	asleep.State, asleep.Asleep, asleep.Generation = "asleep", at, 3
	wantLines(t, Tell(asleep, nil, at).Now,
		"web is asleep: the next client has workers start. It will be served by generation 3.")
	healthy := control.Status{Name: "web"}
	healthy.State, healthy.Slots = "running", 1
	wantLines(t, Tell(healthy, nil, at).Do, "Nothing has to be done.")
	healthy.Warnings = []string{"release bbbbbbbbbbbb of /srv/app is known to be bad (exit status 3, 2026-11-26 " +
		"08:31:30); serving the last good release aaaaaaaaaaaa instead"}
	wantLines(t, Tell(healthy, nil, at).Do, "Put a better build in its place and run relevo reload web; "+
		"relevo reload web --force tries the same bytes again.")
	healthy.Warnings = []string{"the metrics are not served: the address is taken"}
	wantLines(t, Tell(healthy, nil, at).Do, "Look into the warning: relevo doctor web examines what the app needs.")
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
