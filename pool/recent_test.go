package pool_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/pool"
	"relevo/pool/pooltest"
)

// told is a short form of the events that the pool remembers.
func (r *rig) told() (short []string) {
	r.t.Helper()
	all, err := r.Recent()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range all {
		text := string(e.Kind)
		for _, more := range []string{string(e.Step), e.Result, e.Signal, e.Reason} {
			if more != "" {
				text += " " + more
			}
		}
		if e.Times > 0 {
			text += fmt.Sprint(" ×", e.Times)
		}
		short = append(short, text)
	}
	return short
}

// TestRecent: the pool remembers events that explain its state, also under the next master, and
// forgets everyday events.
func TestRecent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old := pooltest.NewRelease("v1", pooltest.Polite)
		r := start(t, 2, old)
		r.Note(pool.Event{Kind: pool.KindRoll, Step: pool.StepAsked, Reason: "SIGHUP"})
		pass(0)
		r.mustRoll(r.release("v2", pooltest.Polite))
		next := r.succeed()
		next.Resize(func(int) (int, error) { return 1, nil })
		pass(0)
		wantEqual(t, "told", strings.Join(next.told(), "\n"), strings.Join([]string{"started", "roll asked SIGHUP",
			"roll began", "roll probation", "roll canary", "roll ended ok", "succession", "resize"}, "\n"))
	})
}

// TestRecentIsBounded: repeated events are one entry, and the memory for all entries is limited.
func TestRecentIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Polite)
		r := start(t, 1, release)
		for i := range 3 {
			release.Process(i + 1).Die(syscall.SIGSEGV)
			pass(time.Minute)
		}
		wantEqual(t, "told", r.told(), "[started exit SIGSEGV ×3]")
		all, _ := r.Recent()
		if last := all[1]; !last.Last.After(last.Time) || last.ID != "3" {
			t.Errorf("the last death is missing: %+v", last)
		}
		for i := range 500 {
			slot := i
			r.Publish(pool.Event{Kind: pool.KindHung, Slot: &slot, Reason: strings.Repeat("x", 64<<10),
				Tail: []string{"1", "2", "3", strings.Repeat("y", 64<<10), "5"}})
		}
		pass(0)
		all, _ = r.Recent()
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		if len(all) < 20 || len(text) > 64<<10 {
			t.Errorf("%d entries, %d bytes", len(all), len(text))
		}
		if tail := all[len(all)-1].Tail; len(tail) != 3 || tail[2] != "5" || len(tail[1]) > 400 {
			t.Errorf("the kept output: %.100q", tail)
		}
	})
}
