package cli

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/footprint"
	"relevo/pool"
	"relevo/pool/machine"
)

// usedPool has a worker that is this process, and a slot without one.
func usedPool() control.Status {
	load := 0.7
	s := control.Status{Name: "web"}
	s.State, s.Slots = string(machine.Running), 2
	s.Workers = []pool.Worker{
		{Slot: 0, ID: "1", PID: os.Getpid(), State: string(machine.Serving), Started: time.Now().Add(-time.Minute),
			Load: &load, Text: strings.Repeat("much to say ", 10)},
		{Slot: 1, State: "backoff"},
	}
	return s
}

// TestStatusUsage: the columns are shown on request. The narrower the terminal is, the fewer there are; a long
// note removes none of them. How wide a column is depends on the machine: on its process IDs, for one.
func TestStatusUsage(t *testing.T) {
	emptyPlaces(t)
	m := &standIn{status: usedPool()}
	m.serve(t, "web")
	shown := strings.Fields("SLOT WORKER PID GEN STATE UP RESPAWNS CPU MEM CONN LOAD RELEASE NOTE")
	dropped := strings.Fields("RELEASE GEN WORKER RESPAWNS UP LOAD PID CONN CPU MEM")
	for width := 150; width > 0; width-- {
		t.Setenv("COLUMNS", strconv.Itoa(width))
		code, out, said := command(t, "status", "--usage")
		got := heads(out)
		if len(dropped) > 0 && got != strings.Join(shown, " ") {
			shown = slices.DeleteFunc(shown, func(head string) bool { return head == dropped[0] })
			dropped = dropped[1:]
		}
		if want := strings.Join(shown, " "); code != 0 || got != want {
			t.Fatalf("width %d: exit code %d: %s%s, want %s", width, code, said, got, want)
		}
	}
	if len(dropped) > 0 {
		t.Errorf("on the narrowest terminal %v are shown", dropped)
	}
	if _, out, _ := command(t, "status"); heads(out) != "SLOT WORKER PID GEN STATE UP RESPAWNS RELEASE NOTE" {
		t.Errorf("on a narrow terminal without --usage: %s", heads(out))
	}
	t.Setenv("COLUMNS", "")
	_, out, _ := command(t, "status", "--usage")
	if row := regexp.MustCompile(`(?m)^0 .* \d+\.\d% +\d+ MiB +(\d+|-) +0\.70 .*much to say$`); !row.MatchString(out) {
		t.Errorf("no row with the usage in\n%s", out)
	}
	if row := regexp.MustCompile(`(?m)^1 .* - +- +- +- +-$`); !row.MatchString(out) {
		t.Errorf("no row of an empty slot in\n%s", out)
	}
	_, out, _ = command(t, "status", "--usage", "--json")
	var used usedStatus
	if err := json.Unmarshal([]byte(out), &used); err != nil || len(used.Workers) != 2 || used.Workers[0].Memory == 0 ||
		used.Workers[0].CPU == nil || used.Workers[0].ID != "1" || used.Workers[1].CPU != nil {
		t.Errorf("in JSON: %v %s", err, out)
	}
	if _, out, _ = command(t, "status", "--json"); strings.Contains(out, "memory_bytes") {
		t.Errorf("in JSON without --usage: %s", out)
	}
}

// heads returns the titles of the columns in a status.
func heads(out string) string {
	_, after, _ := strings.Cut(out, "\nSLOT")
	line, _, _ := strings.Cut(after, "\n")
	return strings.Join(strings.Fields("SLOT"+line), " ")
}

// TestUsagePercent: the percentage counts from the start of the worker, or from the previous look.
func TestUsagePercent(t *testing.T) {
	t.Parallel()
	at := time.Now()
	view := func(earlier, now, before time.Duration) usageView {
		v := usageView{at: at, now: map[int]footprint.Footprint{7: {CPU: now}}}
		if earlier > 0 {
			v.earlier, v.before = at.Add(-earlier), map[int]footprint.Footprint{7: {CPU: before}}
		}
		return v
	}
	const second = time.Second
	for name, test := range map[string]struct {
		view usageView
		age  time.Duration // 0: it has ended
		want float64       // -1: unknown
	}{
		"since the start":    {view(0, 6*second, 0), time.Minute, 10},
		"since a look":       {view(second, 90*second, 89*second), time.Hour, 100},
		"a child has ended":  {view(second, second, 2*second), time.Hour, 0},
		"started since then": {view(time.Minute, second, 0), 10 * second, 10},
		"has ended":          {view(0, 0, 0), 0, -1},
	} {
		w := pool.Worker{PID: 7}
		if test.age > 0 {
			w.Started = at.Add(-test.age)
		}
		got := test.view.percent(w)
		if (got == nil) != (test.want < 0) || got != nil && (*got < test.want-0.01 || *got > test.want+0.01) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// TestStatusWatch: a line of JSON for each look, until the end.
func TestStatusWatch(t *testing.T) {
	emptyPlaces(t)
	m := &standIn{status: usedPool()}
	m.serve(t, "web")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		defer write.Close()
		c := &cli{getenv: os.Getenv, stdout: write, stderr: os.Stderr,
			places: config.FindPlaces(os.Getenv, os.Geteuid(), config.UsableDir)}
		ended <- c.watchStatus(ctx, nil, true)
	}()
	lines := json.NewDecoder(read)
	for range 2 {
		var used usedStatus
		if err := lines.Decode(&used); err != nil || used.Workers[0].Memory == 0 {
			t.Fatalf("%v: %+v", err, used)
		}
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
