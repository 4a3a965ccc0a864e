package web

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
	m := &masters{ctx: t.Context(), names: func() ([]string, error) { return []string{"web"}, nil },
		ask: func(_ context.Context, name string) apps.App { return apps.App{Name: name, State: apps.Silent} }}
	look := func() {
		t.Helper()
		if all, err := m.all(t.Context(), time.Minute); err != nil || len(all) != 1 {
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
	m.asked.Wait()
}
