package pool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

// freeze freezes the pool; it waits for workers that are being started.
func (r *rig) freeze() (pool.Legacy, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return r.Freeze(ctx)
}

func (r *rig) mustFreeze() pool.Legacy {
	r.t.Helper()
	l, err := r.freeze()
	if err != nil {
		r.t.Fatal(err)
	}
	return l
}

// succeed makes another pool take over everything, as the next master does: the state goes through a
// document, and the releases are made again from the generations.
func (r *rig) succeed() *rig {
	r.t.Helper()
	l := r.mustFreeze()
	if err := r.HandOver(); err != nil {
		r.t.Fatal(err)
	}
	<-r.ran
	if !errors.Is(r.err, pool.ErrHandedOver) {
		r.t.Fatalf("Run returned %v, want ErrHandedOver", r.err)
	}
	return r.takeOver(l)
}

// takeOver runs a pool that takes over the legacy of another one.
func (r *rig) takeOver(l pool.Legacy) *rig {
	r.t.Helper()
	document, err := json.Marshal(l)
	if err != nil {
		r.t.Fatal(err)
	}
	var read pool.Legacy
	if err := json.Unmarshal(document, &read); err != nil {
		r.t.Fatal(err)
	}
	releases := map[int]pool.Release{}
	for generation, state := range read.Releases {
		for _, release := range r.releases {
			if fmt.Sprintf("%q", release.Info().Version) == string(state) {
				releases[generation] = release
			}
		}
	}
	heir, err := pool.TakeOver(pool.Options{App: "web", Keeper: r.keeper}, read, releases)
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	next := &rig{t: r.t, Pool: heir, cancel: cancel, releases: r.releases, ran: make(chan error), keeper: r.keeper}
	r.releases = nil // the successor closes them
	go func() {
		for e := range heir.Journal() {
			next.mu.Lock()
			next.journal = append(next.journal, e)
			next.mu.Unlock()
		}
	}()
	go func() {
		next.err = heir.Run(ctx)
		close(next.ran)
	}()
	r.t.Cleanup(next.finish)
	synctest.Wait()
	return next
}

// TestSuccessionAtRest: the workers are not touched, and all requests work on them.
func TestSuccessionAtRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v1 := pooltest.NewRelease("v1", pooltest.Polite)
		r := start(t, 3, v1)
		before := r.states()
		v1.Process(1).Alive()
		pinged := time.Now()
		pass(time.Second)
		next := r.succeed()
		wantEqual(t, "workers", next.states(), before)
		if at := next.status().Workers; !at[0].LastPing.Equal(pinged) || !at[1].LastPing.IsZero() {
			t.Errorf("the last pings were at %v and %v, want %v and none", at[0].LastPing, at[1].LastPing, pinged)
		}
		for _, p := range v1.Living() {
			wantEqual(t, "asked of a worker", p.Labels(), []string{"detach"})
		}
		wantEqual(t, "events", words(next.events()), "adopted adopted adopted succession")
		if n := len(v1.Living()[0].States()); n < 2 {
			t.Errorf("the state was announced %d times", n)
		}
		v1.Process(2).Die(syscall.SIGSEGV)
		synctest.Wait()
		wantEqual(t, "after a crash", next.states(), "0/1 serving, 1/4 serving, 2/3 serving")
		if _, _, err := next.Resize(to(4)); err != nil {
			t.Fatal(err)
		}
		next.mustRoll(next.release("v2", pooltest.Polite))
		wantEqual(t, "after a roll", next.states(), "0/6 serving, 1/7 serving, 2/8 serving, 3/9 serving")
		last := next.succeed()
		wantEqual(t, "after another succession", last.states(), "0/6 serving, 1/7 serving, 2/8 serving, 3/9 serving")
		if roll := last.status().LastRoll; roll == nil || roll.Generation != 2 || roll.Result != machine.OK {
			t.Errorf("last roll: %+v", roll)
		}
	})
}

// TestSuccessionInARoll: a succession at each step of a roll. The roll continues, with the same
// result.
func TestSuccessionInARoll(t *testing.T) {
	for steps := range 9 {
		t.Run(fmt.Sprint(steps), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := start(t, 3, pooltest.NewRelease("v1", pooltest.Obedient))
				v2 := r.release("v2", nil)
				answer := r.roll(v2)
				step := func() {
					pass(400 * time.Millisecond) // the canary's probation takes three of these
					for _, p := range v2.Living() {
						if strings.Contains(r.states(), fmt.Sprintf("/%s starting", p.Order.ID)) {
							go func() { p.Online(); p.Ready(); <-p.Asked(); p.Exit(0) }()
							synctest.Wait()
							return
						}
					}
				}
				for range steps {
					step()
				}
				ended := r.status().Rolling == nil
				r = r.succeed()
				if !ended {
					if got := <-answer; !errors.Is(got.err, pool.ErrHandedOver) {
						t.Errorf("the caller that waited for the roll got %+v, %v", got.RollResult, got.err)
					}
					wantEqual(t, "text begins", strings.HasPrefix(r.last(pool.KindSuccession).Text,
						"continues the roll to generation 2"), true)
				}
				for range 9 {
					step()
				}
				status := r.status()
				if status.Generation != 2 || status.Rolling != nil || status.LastRoll == nil ||
					status.LastRoll.Result != machine.OK {
					t.Errorf("in the end: %+v", status)
				}
			})
		})
	}
}

// TestSuccessionOfARollThatFails: the next master brings the old generation back.
func TestSuccessionOfARollThatFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 2, pooltest.NewRelease("v1", pooltest.Obedient))
		v2 := r.release("v2", nil)
		r.roll(v2)
		v2.Living()[0].Ready()
		r = r.succeed()
		v2.Living()[0].Exit(9)
		synctest.Wait()
		last := r.status().LastRoll
		if last == nil || last.Result != machine.RolledBack || last.Exit == nil || last.Exit.Code != 9 ||
			last.FromRelease.Version != "v1" {
			t.Errorf("last roll: %+v", last)
		}
		wantEqual(t, "workers", r.states(), "0/1 serving, 1/2 serving")
	})
}

// TestSuccessionWhileLeaving: drains and backoffs keep their deadlines.
func TestSuccessionWhileLeaving(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v1 := pooltest.NewRelease("v1", pooltest.Stubborn)
		r := start(t, 2, v1)
		if _, _, err := r.Resize(to(1)); err != nil {
			t.Fatal(err)
		}
		pass(20 * time.Second)
		r = r.succeed()
		wantEqual(t, "draining", r.states(), "0/1 serving, 1/2 draining")
		pass(11 * time.Second) // of 30 s
		wantEqual(t, "after the drain timeout", r.states(), "0/1 serving")
		for range 4 {
			for _, p := range v1.Living() {
				p.Exit(1)
			}
			synctest.Wait()
		}
		waits := r.states()
		r = r.succeed()
		wantEqual(t, "backing off", r.states(), waits)
		pass(time.Minute)
		wantEqual(t, "back", strings.HasSuffix(r.states(), "serving"), true)
	})
}

// leaves exits when it is asked to leave.
func leaves(p *pooltest.Process) {
	select {
	case <-p.Asked():
		p.Exit(0)
	case <-p.Gone():
	}
}

// TestSuccessionOfLostWorker: a process that cannot be adopted counts as dead.
func TestSuccessionOfLostWorker(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v1 := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, 2, v1)
		l := r.mustFreeze()
		r.HandOver()
		<-r.ran
		l.Members[0].Process = nil
		v1.Process(1).Lose()
		r = r.takeOver(l)
		wantEqual(t, "respawned", r.states(), "0/3 serving, 1/2 serving")
		wantEqual(t, "last exit", r.status().Workers[0].LastExit, "lost with the previous master")
	})
}

func TestTakeOverNeedsItsReleases(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := start(t, 1, pooltest.NewRelease("v1", pooltest.Obedient))
		l := r.mustFreeze()
		if _, err := pool.TakeOver(pool.Options{}, l, nil); err == nil ||
			!strings.Contains(err.Error(), "generation 1 is missing") {
			t.Errorf("got %v", err)
		}
		l.Machine.Phase = "odd"
		if _, err := pool.TakeOver(pool.Options{}, l, nil); !errors.Is(err, machine.ErrTorn) {
			t.Errorf("got %v, want ErrTorn", err)
		}
		r.Thaw()
	})
}

// TestUnreadyInLegacy: an adopted process knows whether the pool has been told that it is ready.
func TestUnreadyInLegacy(t *testing.T) {
	unready := map[machine.State]bool{machine.Starting: true, machine.Serving: false, machine.Draining: false}
	for state, want := range unready {
		if got := (pool.Legacy{}).Process(pool.MemberLegacy{ID: 1, State: state}).Unready; got != want {
			t.Errorf("%s: %t, want %t", state, got, want)
		}
	}
}
