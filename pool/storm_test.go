package pool_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"relevo/internal/ipc"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

// Requests, deaths and signals in any order: the pool ends when it is stopped, every caller that
// waits gets an answer, and no process and no release is left.
func TestStorm(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) { storm(t, rand.New(rand.NewPCG(seed, 7))) })
		})
	}
}

func storm(t *testing.T, random *rand.Rand) {
	lives := []func(*pooltest.Process){
		pooltest.Obedient, pooltest.Polite, pooltest.Stubborn, pooltest.Broken, pooltest.Mute,
		pooltest.ServesFor(500 * time.Millisecond), pooltest.ServesFor(time.Minute), pooltest.Watchful,
	}
	r := start(t, 1+random.IntN(4), pooltest.NewRelease("v1", pooltest.Obedient), func(o *pool.Options) {
		o.Patience.Surge = 1 + random.IntN(3)
		o.Patience.Watchdog = time.Duration(random.IntN(2)) * 9 * time.Second
		o.Patience.MaxLifetime = time.Duration(random.IntN(2)) * 30 * time.Second
	})
	var answers []<-chan rolled
	for range 60 {
		release := r.releases[random.IntN(len(r.releases))]
		living := release.Living()
		switch random.IntN(12) {
		case 0:
			next := r.release(fmt.Sprint("v", len(r.releases)+1), lives[random.IntN(len(lives))])
			answers = append(answers, r.roll(next))
		case 1:
			r.Resize(to(1 + random.IntN(5)))
		case 2, 3:
			if len(living) > 0 {
				living[random.IntN(len(living))].Die(syscall.SIGKILL)
			}
		case 4:
			if len(living) > 0 {
				living[random.IntN(len(living))].Say(ipc.Draining{Open: 1})
			}
		case 5:
			r.Send(pool.Target{}, []byte(`1`))
		case 6:
			release.Fail("start", []error{nil, syscall.EAGAIN}[random.IntN(2)])
		case 7:
			if len(living) > 0 {
				p := living[random.IntN(len(living))]
				[]func(){p.Alive, func() { p.Hang("said so") }, func() { p.Exit(1) }}[random.IntN(3)]()
			}
		case 8:
			r.Recycle(fmt.Sprint(1+random.IntN(40)), machine.CauseMemory, "old")
		default:
			pass(time.Duration(random.ExpFloat64() * float64(5*time.Second)))
		}
	}
	if random.IntN(2) == 0 {
		r.Stop()
	} else {
		r.cancel()
	}
	<-r.ran
	synctest.Wait()
	for i, answer := range answers {
		select {
		case <-answer:
		default:
			t.Errorf("the roll to %s has no answer", r.releases[i+1].Info().Version)
		}
	}
	for _, release := range r.releases {
		for _, p := range release.Living() {
			t.Errorf("worker %s is left", p.Order.ID)
		}
	}
	wellFormed(t, r.events())
}

// wellFormed checks that the events of each worker begin with its fork, or the failure to fork, and
// end with its only exit.
func wellFormed(t *testing.T, events []pool.Event) {
	t.Helper()
	lives := map[string][]string{}
	for _, e := range events {
		if e.ID != "" && e.Kind != pool.KindRoll {
			lives[e.ID] = append(lives[e.ID], string(e.Kind))
		}
	}
	for id, kinds := range lives {
		life := " " + strings.Join(kinds, " ") + " "
		forks, exits := strings.Count(life, " fork "), strings.Count(life, " exit ")
		if exits != 1 || !strings.HasSuffix(life, " exit ") || forks > 1 {
			t.Errorf("worker %s: %s", id, life)
		}
		if first := strings.Index(life, " online "); first >= 0 && first < strings.Index(life, " fork ") {
			t.Errorf("worker %s: %s", id, life)
		}
	}
	if last := events[len(events)-1].Kind; last != pool.KindStopped {
		t.Errorf("the last event is %q", last)
	}
}
