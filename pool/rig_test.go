package pool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a pool that runs in a bubble of fake time, and all events that it has published.
type rig struct {
	*pool.Pool
	t        *testing.T
	cancel   context.CancelFunc
	releases []*pooltest.Release
	ran      chan error // closed when the pool has ended
	err      error      // of Run, when ran is closed
	keeper   pool.Keeper

	mu      sync.Mutex
	journal []pool.Event
}

// bubble runs a test in fake time. A goroutine that is still there at the end fails the test.
func bubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// start runs a pool of n workers until the end of the test, and stops it then if the test has not.
func start(t *testing.T, n int, first *pooltest.Release, change ...func(*pool.Options)) *rig {
	t.Helper()
	o := pool.Options{App: "web", Workers: n, Release: first}
	for _, c := range change {
		c(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &rig{t: t, Pool: pool.New(o), cancel: cancel, releases: []*pooltest.Release{first}, ran: make(chan error)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for e := range r.Journal() {
			r.mu.Lock()
			r.journal = append(r.journal, e)
			r.mu.Unlock()
		}
	}()
	go func() {
		r.err = r.Run(ctx)
		<-read
		close(r.ran)
	}()
	t.Cleanup(r.finish)
	synctest.Wait()
	return r
}

// finish stops the pool and checks that it has left nothing behind.
func (r *rig) finish() {
	defer r.cancel()
	r.Stop()
	<-r.ran
	if errors.Is(r.err, pool.ErrHandedOver) {
		return
	}
	for _, release := range r.releases {
		if n := release.Closed(); n != 1 {
			r.t.Errorf("release %s was closed %d times, want once", release.Info().Version, n)
		}
		for _, misuse := range release.Misuse() {
			r.t.Error(misuse)
		}
	}
}

// release adds a release that finish will check.
func (r *rig) release(version string, lives func(*pooltest.Process)) *pooltest.Release {
	release := pooltest.NewRelease(version, lives)
	r.releases = append(r.releases, release)
	return release
}

// rolled is the result of a Roll.
type rolled struct {
	pool.RollResult
	err error
}

// roll calls Roll in the background, as several callers may.
func (r *rig) roll(release *pooltest.Release) <-chan rolled {
	answer := make(chan rolled, 1)
	go func() {
		result, err := r.Roll(context.Background(), release)
		answer <- rolled{result, err}
	}()
	synctest.Wait()
	return answer
}

// mustRoll rolls, and requires that the roll succeeds.
func (r *rig) mustRoll(release *pooltest.Release) pool.RollResult {
	r.t.Helper()
	result, err := r.Roll(context.Background(), release)
	if err != nil || result.Result != machine.OK {
		r.t.Fatalf("roll: %+v, %v; want ok", result, err)
	}
	return result
}

// events returns what the journal has received so far.
func (r *rig) events() []pool.Event {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.journal)
}

// last returns the newest event of a kind.
func (r *rig) last(kind pool.Kind) pool.Event {
	r.t.Helper()
	events := r.events()
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Kind == kind {
			return events[i]
		}
	}
	r.t.Fatalf("no event %q in %s", kind, words(events))
	return pool.Event{}
}

// of returns the events of one worker.
func (r *rig) of(worker int) (events []pool.Event) {
	for _, e := range r.events() {
		if e.ID == strconv.Itoa(worker) && e.Kind != pool.KindRoll {
			events = append(events, e)
		}
	}
	return events
}

// words renders each event as its kind, and a roll's event with its step.
func words(events []pool.Event) string {
	var kinds []string
	for _, e := range events {
		word := string(e.Kind)
		if e.Step != "" {
			word += ":" + string(e.Step)
		}
		kinds = append(kinds, word)
	}
	return strings.Join(kinds, " ")
}

// states renders the workers of a status: "0/1 serving, 1/- backoff".
func (r *rig) states() string {
	r.t.Helper()
	status := r.status()
	var all []string
	for _, w := range status.Workers {
		id := w.ID
		if id == "" {
			id = "-"
		}
		all = append(all, fmt.Sprintf("%d/%s %s", w.Slot, id, w.State))
	}
	return strings.Join(all, ", ")
}

func (r *rig) status() pool.Status {
	r.t.Helper()
	synctest.Wait()
	status, err := r.Status()
	if err != nil {
		r.t.Fatal(err)
	}
	return status
}

// wantEqual compares the printed forms.
func wantEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// pass lets fake time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// to is a target of Resize that does not depend on the present number.
func to(n int) func(int) (int, error) {
	return func(int) (int, error) { return n, nil }
}
