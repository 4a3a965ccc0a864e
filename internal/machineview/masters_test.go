package machineview

import (
	"context"
	"runtime"
	"testing"
	"time"
	"weak"

	"relevo/internal/apps"
)

// TestQuestionsAreForgotten: of all answers of a master the last ones are kept, and no more: a page
// that is open for days has it asked twice a second.
func TestQuestionsAreForgotten(t *testing.T) {
	t.Parallel()
	m := &Masters{ctx: t.Context(), names: func() ([]string, error) { return []string{"web"}, nil },
		ask: func(_ context.Context, name string) apps.App { return apps.App{Name: name, State: apps.Silent} }}
	look := func() {
		t.Helper()
		if all, err := m.All(t.Context(), time.Minute); err != nil || len(all) != 1 {
			t.Fatal(all, err)
		}
	}
	look()
	first := weak.Make(m.known["web"])
	look()
	look()
	runtime.GC()
	if first.Value() != nil {
		t.Error("the first question is kept")
	}
	m.Wait()
}

// TestStandIn: a master that is slow once is shown as it was; after a while it does not answer.
func TestStandIn(t *testing.T) {
	t.Parallel()
	before := &apps.App{Name: "web", State: "running", Definition: &apps.Definition{}}
	now := time.Now()
	for _, c := range []struct {
		q    question
		want apps.State
	}{
		{question{since: now, before: before}, "running"},
		{question{since: now.Add(-2 * silence), before: before}, apps.Silent},
		{question{since: now}, apps.Silent},
	} {
		if got := c.q.standIn("web"); got.State != c.want || got.Name != "web" || c.q.before != nil && got.Definition == nil {
			t.Errorf("%+v stands for %v, want %s", got, c.q.since, c.want)
		}
	}
}

// TestListedAsByAll: an app whose definition cannot be read is there, as relevo list has it; a socket
// that is left of an app is not.
func TestListedAsByAll(t *testing.T) {
	t.Parallel()
	m := AskMasters(t.Context(), func() ([]string, error) { return []string{"left", "unreadable"}, nil },
		func(_ context.Context, name string) apps.App {
			return apps.App{Name: name, State: map[string]apps.State{"left": apps.Failed, "unreadable": apps.Stopped}[name]}
		})
	all, err := m.All(t.Context(), time.Minute)
	if err != nil || len(all) != 1 || all[0].Name != "unreadable" {
		t.Error(all, err)
	}
	m.Wait()
}
