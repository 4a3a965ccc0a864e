package cli

import (
	"strings"
	"testing"
	"time"

	"relevo/internal/control"
	"relevo/pool"
)

// TestExplain: sentences say what the master remembers. If the master is too old to remember, the
// output says so, and what to type.
func TestExplain(t *testing.T) {
	emptyPlaces(t)
	m := &standIn{status: control.Status{Name: "web"}}
	m.status.State, m.status.Slots = "running", 1
	slot, code := 0, 3
	now := time.Now()
	m.recent = []pool.Entry{
		{Event: pool.Event{Time: now.Add(-2 * time.Hour), Kind: pool.KindStarted}},
		{Event: pool.Event{Time: now, Kind: pool.KindExit, Slot: &slot, ID: "7", Code: &code, Tail: []string{"no database"}}},
	}
	m.serve(t, "web")
	exit, out, said := command(t, "explain", "web")
	for _, want := range []string{"web is running: 0 of 1 worker serves", "Worker 7 in slot 0 died: exit status 3.\n",
		"| no database\n", "relevo logs web shows"} {
		if exit != 0 || !strings.Contains(out, want) {
			t.Errorf("exit code %d %s: %q is not in\n%s", exit, said, want, out)
		}
	}
	if strings.Contains(out, "began to serve") {
		t.Errorf("what was two hours ago is told:\n%s", out)
	}
	if _, out, _ = command(t, "explain", "web", "--since", "3h"); !strings.Contains(out, "began to serve") {
		t.Errorf("--since 3h does not tell what was two hours ago:\n%s", out)
	}
	if _, out, _ = command(t, "explain", "web", "--json"); !strings.Contains(out, `"happened": [`) {
		t.Errorf("--json prints\n%s", out)
	}
	m.forgets = &control.Error{Message: "cannot GET /v1/recent: no such call", Exit: control.ExitUsage}
	if exit, _, said = command(t, "explain", "web"); exit == 0 || !strings.Contains(said, "relevo upgrade web") {
		t.Errorf("an older master: exit code %d, %s", exit, said)
	}
}
