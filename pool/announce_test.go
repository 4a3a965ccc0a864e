package pool_test

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"relevo/internal/ipc"
	"relevo/pool/pooltest"
)

// newest returns the last announcement, and how many there were since before.
func newest(p *pooltest.Process, before int) (ipc.State, int) {
	synctest.Wait()
	states := p.States()
	if len(states) == 0 {
		return ipc.State{}, 0
	}
	return states[len(states)-1], len(states) - before
}

// Every change is announced to every worker. Changes at the same time are one announcement.
func TestAnnounce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", nil)
		r := start(t, 2, release)
		one, two := release.Process(1), release.Process(2)
		count := 0
		expect := func(change string, n int, peers ...ipc.Peer) {
			t.Helper()
			state, news := newest(one, count)
			count += news
			wantEqual(t, "announcements of "+change, news, n)
			wantEqual(t, change, state, ipc.State{Slot: 0, Generation: 1, Workers: peers})
		}
		first := ipc.Peer{Slot: 0, ID: "1", PID: 1001, Generation: 1, State: "starting"}
		second := ipc.Peer{Slot: 1, ID: "2", PID: 1002, Generation: 1, State: "starting"}
		_, count = newest(one, 0)
		expect("nothing", 0, first, second)

		one.Ready()
		first.State = "serving"
		expect("ready", 1, first, second)
		two.Ready()
		second.State = "serving"
		expect("ready", 1, first, second)
		state, _ := newest(two, 0)
		wantEqual(t, "the other's own place", []int{state.Slot, state.Generation}, []int{1, 1})

		one.Say(ipc.Hello{Protocol: 1})
		expect("a greeting", 1, first, second)
		one.Say(ipc.Status{Text: "busy"})
		one.Say(ipc.App{Data: []byte(`1`)})
		one.Online()
		expect("words", 0, first, second)

		resume := release.HoldStart()
		if _, _, err := r.Resize(to(4)); err != nil {
			t.Fatal(err)
		}
		third := ipc.Peer{Slot: 2, ID: "3", Generation: 1, State: "starting"}
		fourth := ipc.Peer{Slot: 3, ID: "4", Generation: 1, State: "starting"}
		expect("two slots more", 1, first, second, third, fourth)
		resume()
		third.PID, fourth.PID = 1003, 1004
		expect("two processes", 2, first, second, third, fourth)

		if _, _, err := r.Resize(to(2)); err != nil {
			t.Fatal(err)
		}
		third.State, fourth.State = "stopping", "stopping"
		expect("two slots less", 1, first, second, third, fourth)
		release.Process(3).Exit(0)
		expect("an exit", 1, first, second, fourth)
		release.Process(4).Exit(0)
		expect("an exit", 1, first, second)

		two.Say(ipc.Draining{Open: 9})
		second.State = "draining"
		third = ipc.Peer{Slot: 1, ID: "5", PID: 1005, Generation: 1, State: "starting"}
		expect("leaving", 2, first, second, third) // the second announcement names the successor's process
		two.Say(ipc.Draining{Open: 8})
		expect("fewer connections", 0, first, second, third)

		for _, p := range release.Living() {
			p.Exit(0)
		}
		synctest.Wait()
		r.Force()
		synctest.Wait()
		for _, p := range release.Living() {
			p.Exit(0)
		}
	})
}

// A worker that does not read its announcements disturbs nothing.
func TestAnnounceFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		release.Fail("send", ipc.ErrFull)
		r := start(t, 2, release)
		wantEqual(t, "states", r.states(), "0/1 serving, 1/2 serving")
	})
}

// A large pool combines changes into one announcement, which always has the newest state.
func TestAnnounceToMany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 100 // once in 50 ms at most
		release := pooltest.NewRelease("v1", pooltest.Obedient)
		r := start(t, n, release)
		pass(time.Second)
		one := release.Process(1)
		_, before := newest(one, 0)
		next := r.release("v2", pooltest.Obedient)
		began := time.Now()
		r.mustRoll(next)
		took := time.Since(began)
		pass(time.Second)
		states := next.Process(n + 1).States()
		if most := 2 + int(took/(50*time.Millisecond)); len(states) < 1 || len(states) > most {
			t.Errorf("%d announcements in a roll of %v, want at most %d", len(states), took, most)
		}
		if len(one.States()) == before {
			t.Error("the roll was not announced to the old worker")
		}
		for _, peer := range states[len(states)-1].Workers {
			if peer.Generation != 2 || peer.State != "serving" {
				t.Errorf("the last announcement contains %+v", peer)
			}
		}
		_, count := newest(next.Process(n+1), 0)
		pass(time.Hour)
		if _, more := newest(next.Process(n+1), count); more != 0 {
			t.Errorf("%d announcements without a change", more)
		}
	})
}

// TestAnnounceAfterReplacement: in a large pool a worker that dies is replaced first, and then
// announced to the others, in one announcement, so that they do not compete with the start.
func TestAnnounceAfterReplacement(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := pooltest.NewRelease("v1", pooltest.Polite)
		r := start(t, 64, release)
		pass(time.Minute)
		before := len(release.Process(64).States())
		release.Process(1).Die(syscall.SIGKILL)
		pass(10 * time.Millisecond)
		if n := len(r.status().Workers); n != 64 || release.Process(65) == nil {
			t.Fatalf("it was not replaced: %d workers", n)
		}
		wantEqual(t, "announcements beside the start", len(release.Process(64).States())-before, 0)
		pass(time.Second)
		wantEqual(t, "announcements", len(release.Process(64).States())-before, 1)
	})
}
