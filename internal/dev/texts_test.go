package dev

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/pool"
)

func base(path string) string { return strings.TrimPrefix(path, "/src/") }

// TestCycleTexts: the line that reports a save.
func TestCycleTexts(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	after := func(seconds float64) time.Time { return at.Add(time.Duration(seconds * float64(time.Second))) }
	for _, c := range []struct {
		cycle cycle
		times times
		want  string
	}{
		{cycle{}, times{live: after(1)}, "started → live 1.00s"},
		{cycle{paths: []string{"/src/a"}, built: 1230 * time.Millisecond}, times{live: after(2)},
			"saved a → built 1.23s → live 2.00s"},
		{cycle{paths: []string{"/src/a", "/src/b", "/src/c"}}, times{live: after(2), counted: true, dropped: 4},
			"saved a and 2 more → live 2.00s (4 dropped)"},
		{cycle{back: true}, times{forked: after(1), ready: after(1.5), live: after(2)},
			"back to the last good release → ready 0.50s → live 2.00s"},
	} {
		c.cycle.first = at
		if got := c.cycle.line(base) + c.times.line(c.cycle); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestTimesOf: the times are those of the first start and the first ready worker of the roll's own
// generation.
func TestTimesOf(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	events := make(chan pool.Event, 8)
	for i, e := range []pool.Event{{Kind: pool.KindFork, Generation: 1}, {Kind: pool.KindFork, Generation: 2},
		{Kind: pool.KindFork, Generation: 2}, {Kind: pool.KindReady, Generation: 1}, {Kind: pool.KindReady, Generation: 2},
		{Kind: pool.KindReady, Generation: 2}} {
		e.Time = at.Add(time.Duration(i) * time.Second)
		events <- e
	}
	got := timesOf(events, 2)
	if got.forked != at.Add(time.Second) || got.ready != at.Add(4*time.Second) {
		t.Errorf("%+v", got)
	}
	close(events)
	if got := timesOf(events, 2); !got.forked.IsZero() {
		t.Errorf("%+v", got)
	}
}

// TestFailureTexts: the texts of a failure for the terminal and for the status.
func TestFailureTexts(t *testing.T) {
	one := Problem{File: "/src/a.go", Line: 3, Column: 2, Text: "oh"}
	many := Failure{Title: "it failed"}
	for range shownProblems + 2 {
		many.Problems = append(many.Problems, one)
	}
	for _, c := range []struct {
		failure       Failure
		text, warning string
	}{
		{Failure{Title: "it failed"}, "it failed", "it failed"},
		{Failure{Title: "it failed", Output: "a\r\nb"}, "it failed\n    a\n    b", "it failed"},
		{Failure{Title: "it failed", Problems: []Problem{one}}, "it failed\n    a.go:3:2: oh", "it failed: a.go:3:2: oh"},
		{Failure{Title: "it failed: oh", Problems: []Problem{one}}, "it failed: oh", "it failed: oh"},
		{many, "it failed" + strings.Repeat("\n    a.go:3:2: oh", shownProblems) + "\n    and 2 more",
			"it failed: a.go:3:2: oh (and 11 more)"},
	} {
		if got := c.failure.text(base); got != c.text {
			t.Errorf("text %q, want %q", got, c.text)
		}
		if got := c.failure.warning(base); got != c.warning {
			t.Errorf("warning %q, want %q", got, c.warning)
		}
	}
	var lines []string
	for i := range maxShownLines + 5 {
		lines = append(lines, fmt.Sprint(i))
	}
	got := firstLines(strings.Join(lines, "\n")+"\n", maxShownLines)
	if !strings.HasPrefix(got, "0\n1\n") || !strings.HasSuffix(got, "\n39\n… 5 more lines") {
		t.Errorf("%q", got)
	}
}

// TestSayAttach: the user learns the pids of the serving workers.
func TestSayAttach(t *testing.T) {
	r := &rig{t: t, standIn: &standIn{more: make(chan struct{}), status: control.Status{Status: pool.Status{
		Workers: []pool.Worker{{PID: 7, State: "draining"}, {PID: 8, State: "serving"}}}}}}
	d := &Dev{master: r, opts: Options{Dev: config.Dev{Delve: true}, Say: func(n Note) { r.tell("say", n.Text) }}}
	d.live(cycle{}, "started")
	if got := strings.Join(r.told, "; "); got != "say started; say dlv attach 8" {
		t.Errorf("%s", got)
	}
}
