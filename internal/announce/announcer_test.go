package announce

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"relevo/pool"
	"relevo/pool/machine"
)

// lines is a log that keeps what is an outcome apart.
type lines struct{ slog.Handler }

func (l lines) Handle(ctx context.Context, r slog.Record) error {
	if IsOutcome(ctx) {
		r.Message = "OUTCOME " + r.Message
	}
	return l.Handler.Handle(ctx, r)
}

func newAnnouncer() (*Announcer, *bytes.Buffer) {
	var text bytes.Buffer
	plain := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	return &Announcer{Log: slog.New(lines{slog.NewTextHandler(&text, plain)})}, &text
}

// follow has an announcer tell of events, and returns the log and what was reacted to.
func follow(a *Announcer, text *bytes.Buffer, events ...pool.Event) (log string, reacted []pool.Kind) {
	ch := make(chan pool.Event, len(events))
	for _, e := range events {
		ch <- e
	}
	close(ch)
	a.Follow(context.Background(), ch, func(e pool.Event) { reacted = append(reacted, e.Kind) })
	return strings.TrimSpace(text.String()), reacted
}

// Each kind of event has its line, and the bad ends of starts and rolls are marked: relevo
// dev tells of those in its own words.
func TestLines(t *testing.T) {
	slot, code, planned, took := 2, 3, true, int64(1500)
	bad, good := pool.Info{SHA256: strings.Repeat("b", 64)}, pool.Info{SHA256: strings.Repeat("a", 64), Version: "v1"}
	for _, c := range []struct {
		e    pool.Event
		want string
	}{
		{pool.Event{Kind: pool.KindStarted, Addresses: []string{"127.0.0.1:80"}}, `level=INFO msg=serving on=127.0.0.1:80`},
		{pool.Event{Kind: pool.KindStartFailed, Reason: "died"}, `level=ERROR msg="OUTCOME start failed" reason=died`},
		{pool.Event{Kind: pool.KindReady, Slot: &slot, ID: "7", PID: 99, Generation: 4, How: "notify", DurationMS: &took},
			`level=INFO msg="worker ready" slot=2 worker=7 pid=99 gen=4 by=notify took=1.5s`},
		{pool.Event{Kind: pool.KindExit, Planned: &planned, Code: &code}, `level=INFO msg="worker exit" code=3`},
		{pool.Event{Kind: pool.KindExit, Signal: "killed", Tail: []string{"one", "two"}},
			`level=ERROR msg="worker died" signal=killed output="one ⏎ two"`},
		{pool.Event{Kind: pool.KindRoll, Step: pool.StepBegan, From: 1, Generation: 2, Release: &good, FromRelease: &bad},
			`level=INFO msg="roll began: generation 1 to 2" gen=2 release=v1 from=bbbbbbbbbbbb`},
		{pool.Event{Kind: pool.KindRoll, Step: pool.StepReverting}, `level=ERROR msg="OUTCOME roll failed"`},
		{pool.Event{Kind: pool.KindRoll, Step: pool.StepEnded, Result: "ok"}, `level=INFO msg="roll done"`},
		{pool.Event{Kind: pool.KindRoll, Step: pool.StepEnded, Result: "rolled-back"},
			`level=ERROR msg="OUTCOME roll ended: rolled-back"`},
		{pool.Event{Kind: pool.KindUnhealthy, ID: "7"}, `level=WARN msg="worker unhealthy" worker=7`},
		{pool.Event{Kind: pool.KindHealthy}, `level=INFO msg="health: healthy again"`},
		{pool.Event{Kind: pool.KindResize, From: 1, To: 2}, `level=INFO msg="resized from 1 to 2 workers"`},
		{pool.Event{Kind: pool.KindSleep, From: 2, Reason: "no client for 10m"},
			`level=INFO msg="asleep: no worker until a client comes" reason="no client for 10m"`},
		{pool.Event{Kind: pool.KindWake, To: 1, Reason: "a client came"},
			`level=INFO msg="awake: 1 worker" reason="a client came"`},
		{pool.Event{Kind: pool.KindFork}, ``},
		{pool.Event{Kind: "new-kind"}, `level=WARN msg=new-kind`},
	} {
		a, text := newAnnouncer()
		got, reacted := follow(a, text, c.e)
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.e.Kind, got, c.want)
		}
		if !slices.Equal(reacted, []pool.Kind{c.e.Kind}) {
			t.Errorf("%s: reacted to %v", c.e.Kind, reacted)
		}
	}
}

// Losses of a second are one line.
func TestLostEvents(t *testing.T) {
	a, text := newAnnouncer()
	at := time.Unix(1e9, 0)
	lost := func(n int, after time.Duration) pool.Event {
		return pool.Event{Kind: pool.KindLost, Count: n, Time: at.Add(after)}
	}
	got, reacted := follow(a, text, lost(1, 0), lost(2, time.Millisecond), lost(3, time.Second))
	if strings.Count(got, "not logged") != 2 || !strings.Contains(got, "5 events not logged") || len(reacted) != 2 {
		t.Errorf("reacted %d times; log:\n%s", len(reacted), got)
	}
}

// A shortage is a warning until a worker gets ready; the fault of a program is none.
func TestShortageWarning(t *testing.T) {
	a, text := newAnnouncer()
	follow(a, text, pool.Event{Kind: pool.KindExit, Blame: machine.BlameProgram, Reason: "died"})
	if all := a.Warnings.List(); len(all) != 0 {
		t.Errorf("a program's fault is a warning: %v", all)
	}
	short := pool.Event{Kind: pool.KindExit, Blame: machine.BlameMaster, Reason: "no room", Hint: "make some"}
	follow(a, text, short)
	want := []string{"a worker could not be started: no room; make some"}
	if all := a.Warnings.List(); !slices.Equal(all, want) {
		t.Errorf("got %v, want %v", all, want)
	}
	follow(a, text, pool.Event{Kind: pool.KindReady})
	if all := a.Warnings.List(); len(all) != 0 {
		t.Errorf("a worker is ready, and still: %v", all)
	}
}

// Damage is forgiven when the release that did it is gone, and not with a roll to the same
// bytes, nor with one that failed, nor where it came after the roll began.
func TestForgive(t *testing.T) {
	began := time.Unix(1e9, 0)
	old, next := &pool.Info{SHA256: "a"}, &pool.Info{SHA256: "b"}
	done := pool.RollResult{Result: machine.OK, Started: began, Release: next, FromRelease: old}
	same, failed := done, done
	same.Release, failed.Result = old, machine.RolledBack
	for _, c := range []struct {
		what   string
		r      pool.RollResult
		damage time.Time
		left   int
	}{
		{"done", done, began.Add(-1), 0},
		{"damage since", done, began.Add(1), 1},
		{"the same bytes", same, began.Add(-1), 1},
		{"failed", failed, began.Add(-1), 1},
	} {
		a, _ := newAnnouncer()
		a.Damages.Warn(&a.Warnings, "web", "web: shut down", []string{"1"}, 2, c.damage)
		a.Forgive(c.r)
		if got := a.Warnings.List(); len(got) != c.left {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

func TestStatusLine(t *testing.T) {
	s := pool.Status{Slots: 2, Generation: 3, Workers: []pool.Worker{{State: "serving"}, {State: "starting"}}}
	want := "1 of 2 workers serve generation 3 on :80, :81"
	if got := StatusLine(s, []string{":80", ":81"}); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s.LastRoll = &pool.RollResult{Generation: 3, Result: machine.RolledBack, Reason: "died"}
	if got := StatusLine(s, nil); !strings.Contains(got, "; the last reload failed: ") || strings.Contains(got, "\n") {
		t.Errorf("after a failed roll: %q", got)
	}
}

// A refusal is an outcome, and says all that it is given.
func TestRefused(t *testing.T) {
	a, text := newAnnouncer()
	Refused(a.Log, "roll refused", "err", errors.New("no room"))
	if got, want := strings.TrimSpace(text.String()), `level=ERROR msg="OUTCOME roll refused" err="no room"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestOnce(t *testing.T) {
	var o Once
	if !o.First("a") || o.First("a") || !o.First("b") {
		t.Error("each is told once")
	}
	for n := range mostTold {
		o.First(string(rune('A' + n)))
	}
	if o.First("one too many") {
		t.Errorf("more than %d are told", mostTold)
	}
}
