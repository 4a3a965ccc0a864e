package conductor_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"relevo/internal/fleet/plan"
	"relevo/internal/fleet/relevo-fleet/agent"
	"relevo/internal/fleet/relevo-fleet/etcdtest"
	"relevo/internal/fleet/relevo-fleet/store"
)

// shortLease is long enough for a busy machine to renew it, and short enough for a test to wait for
// its end.
const shortLease = 4 * time.Second

// hold makes rolls wait after their begin, until release is called.
func (f *fleet) hold() (release func()) {
	held := make(chan struct{})
	f.mu.Lock()
	f.held = held
	f.mu.Unlock()
	release = sync.OnceFunc(func() {
		f.mu.Lock()
		f.held = nil
		f.mu.Unlock()
		close(held)
	})
	f.t.Cleanup(release)
	return release
}

// present waits until a machine is present, or away.
func (f *fleet) present(machine string, is bool) {
	f.t.Helper()
	f.until(machine+" to come or to go", func(v *store.View) bool {
		_, present := v.Present[machine]
		return present == is
	})
}

// eventually waits for something that no watch reports.
func (f *fleet) eventually(what string, is func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) { // looks again
		if time.Now().After(deadline) {
			f.t.Fatalf("waited too long for %s", what)
		}
	}
}

// rolling waits until this many machines have begun to roll and are held.
func (f *fleet) rolling(machines int) {
	f.t.Helper()
	f.eventually("machines to roll", func() bool { return f.busy() == machines })
}

func (f *fleet) busy() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.atWork
}

// counted fails unless exactly this many rolls have begun so far, and never more than most at the
// same time.
func (f *fleet) counted(rolls, most int) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.t.Logf("%d rolls were begun, at most %d at the same time", f.rolls, f.atMost)
	if f.rolls != rolls || f.atMost > most {
		f.t.Errorf("%d rolls were begun, not %d; %d machines worked at the same time, %d may", f.rolls, rolls,
			f.atMost, most)
	}
}

// complete waits for the end of a deploy that has brought a version to all machines.
func (f *fleet) complete(version string) {
	f.t.Helper()
	f.until("all to have version "+version, func(v *store.View) bool {
		for _, r := range v.Reports["shop"] {
			if r.Version != version {
				return false
			}
		}
		return v.Deploys["shop"].State == plan.Complete && !v.Deploys["shop"].Open
	})
}

// hearing counts what agents log.
type hearing struct {
	slog.Handler
	mu    sync.Mutex
	heard map[string]int
}

func newHearing() *hearing {
	return &hearing{Handler: slog.DiscardHandler, heard: map[string]int{}}
}

func (h *hearing) Enabled(context.Context, slog.Level) bool { return true }

func (h *hearing) WithAttrs([]slog.Attr) slog.Handler { return h }

func (h *hearing) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard[r.Message]++
	return nil
}

// times returns how often agents have logged a message.
func (h *hearing) times(message string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.heard[message]
}

// lost returns how often agents have lost their presence.
func (h *hearing) lost() int { return h.times("the connection to etcd is lost. The apps keep serving") }

// TestQuorumLost: two of three members of etcd, the leader among them, are killed in mid-wave, for
// longer than the leases last. Rolls that had begun are finished, and nothing else begins until the
// members are back.
func TestQuorumLost(t *testing.T) {
	t.Parallel()
	etcd, log := etcdtest.Start(t, 3), newHearing()
	f := newFleetOver(t, etcd, 9, agent.Options{TTL: shortLease, Log: slog.New(log)},
		func(int) []string { return etcd.Endpoints })
	f.conduct(store.Conductor{})
	release := f.hold()
	f.deploy(store.Deploy{Release: version("1"), Deploy: plan.Deploy{Wave: 3}})
	f.rolling(3)
	leader := etcd.Leader()
	killed := []int{leader, (leader + 1) % 3}
	for _, member := range killed {
		etcd.Kill(member)
	}
	f.eventually("all agents to lose etcd", func() bool { return log.lost() >= 9 })
	release()
	f.rolling(0)
	f.counted(3, 3)
	for _, member := range killed {
		etcd.Restart(member)
	}
	f.complete("1")
	f.counted(9, 3)
}

// TestSlowEtcd: every answer of etcd comes a second late. A deploy takes longer, and no agent loses
// its presence.
func TestSlowEtcd(t *testing.T) {
	t.Parallel()
	etcd, log := etcdtest.Start(t, 1), newHearing()
	slow := etcd.Proxy(t, 0)
	f := newFleetOver(t, etcd, 4, agent.Options{Log: slog.New(log)},
		func(int) []string { return []string{slow.Endpoint} })
	slow.Answers.Delay(time.Second)
	f.conductOver(f.dial([]string{slow.Endpoint}), store.Conductor{})
	f.deploy(store.Deploy{Release: version("1"), Deploy: plan.Deploy{Canary: 1, Wave: 3}})
	f.complete("1")
	f.counted(4, 3)
	if n := log.lost(); n != 0 {
		t.Errorf("agents have lost their presence %d times", n)
	}
}

// TestCompactedInWave: the history that the conductor has missed in mid-wave is compacted, and later
// the history that the agents have missed. All of them read the present state again.
func TestCompactedInWave(t *testing.T) {
	t.Parallel()
	etcd, log := etcdtest.Start(t, 1), newHearing()
	toConductor, toAgents := etcd.Proxy(t, 0), etcd.Proxy(t, 0)
	over := func(int) []string { return []string{toAgents.Endpoint} }
	f := newFleetOver(t, etcd, 4, agent.Options{Log: slog.New(log)}, over)
	f.conductOver(f.dial([]string{toConductor.Endpoint}), store.Conductor{})
	release := f.hold()
	f.deploy(store.Deploy{Release: version("1"), Deploy: plan.Deploy{Canary: 1, Wave: 3}})
	f.rolling(1)
	cut(toConductor)
	release()
	f.until("the canary", func(v *store.View) bool { return done(v, "1.1") == 1 })
	f.compact(etcd)

	cut(toAgents)
	toConductor.Heal()
	f.until("the wave's turns", func(v *store.View) bool { return len(v.Turns["shop"]) == 3 })
	f.compact(etcd)
	toAgents.Heal()
	f.complete("1")
	f.counted(4, 3)
	if n := log.times("cannot follow its turns; tries again"); n > 0 {
		t.Errorf("agents have logged %d times that they cannot follow their turns: etcd answers", n)
	}
}

// cut ends all connections, and permits no new ones.
func cut(p *etcdtest.Proxy) {
	p.Cut()
	p.Sever()
}

// compact makes etcd forget all changes so far, and proves that by a watch of the last change but
// one.
func (f *fleet) compact(etcd *etcdtest.Cluster) {
	f.t.Helper()
	last, err := etcd.Client.Put(f.t.Context(), "compacted", "")
	if err == nil {
		_, err = etcd.Client.Compact(f.t.Context(), last.Header.Revision)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	missed := <-etcd.Client.Watch(f.t.Context(), "compacted", clientv3.WithRev(last.Header.Revision-1))
	if missed.CompactRevision == 0 {
		f.t.Fatal("etcd still has the history")
	}
}

// TestMachineCutOneWay: one machine of a wave loses all answers of etcd, or all of its requests. The
// others continue, and so does this machine when the network is back.
func TestMachineCutOneWay(t *testing.T) {
	t.Parallel()
	t.Run("answers", func(t *testing.T) {
		t.Parallel()
		f, link := newFleetCut(t)
		release := f.hold()
		f.deploy(store.Deploy{Release: version("1"), Deploy: plan.Deploy{Wave: 3}})
		f.rolling(3)
		link.Answers.Cut()
		release()
		f.complete("1") // the machine's reports arrive
		f.present("m01", false)
		f.deploy(store.Deploy{Release: version("2"), Deploy: plan.Deploy{Wave: 3}})
		f.until("the others", func(v *store.View) bool { return done(v, "2.1") == 2 })
		f.counted(5, 3)
		link.Heal()
		f.complete("2")
		f.counted(6, 3)
	})
	t.Run("questions", func(t *testing.T) {
		t.Parallel()
		f, link := newFleetCut(t)
		link.Questions.Cut()
		f.deploy(store.Deploy{Release: version("1"), Deploy: plan.Deploy{Wave: 3}})
		f.until("the others", func(v *store.View) bool { return done(v, "1.1") == 2 })
		f.present("m01", false)
		f.counted(2, 3) // the machine has seen its turn, but cannot report that it takes it
		link.Heal()
		f.complete("1")
		f.counted(3, 3)
	})
}

// newFleetCut is a fleet of three machines and a conductor, with the network of m01.
func newFleetCut(t *testing.T) (*fleet, *etcdtest.Proxy) {
	etcd := etcdtest.Start(t, 1)
	link := etcd.Proxy(t, 0)
	f := newFleetOver(t, etcd, 3, agent.Options{TTL: shortLease}, func(machine int) []string {
		if machine == 1 {
			return []string{link.Endpoint}
		}
		return etcd.Endpoints
	})
	f.conduct(store.Conductor{})
	return f, link
}

// TestConductorCutOneWay: in mid-wave the conductor loses all answers of etcd, or all of its
// requests. Another conductor continues, and what the first one still sends when its network is back
// changes nothing.
func TestConductorCutOneWay(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]func(*etcdtest.Proxy) *etcdtest.Way{
		"answers":   func(p *etcdtest.Proxy) *etcdtest.Way { return p.Answers },
		"questions": func(p *etcdtest.Proxy) *etcdtest.Way { return p.Questions },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			etcd := etcdtest.Start(t, 1)
			link := etcd.Proxy(t, 0)
			f := newFleet(t, etcd, 5)
			f.conductOver(f.dial([]string{link.Endpoint}), store.Conductor{By: "first"})
			f.elected("first", 1)
			f.conduct(store.Conductor{By: "second"})
			f.elected("first", 2)
			release := f.hold()
			f.deploy(store.Deploy{Release: version("1"), Deploy: plan.Deploy{Wave: 2}})
			f.rolling(2)
			way(link).Cut()
			release()
			f.elected("second", 1)
			f.until("a later wave", func(v *store.View) bool { return v.Deploys["shop"].Stage > 1 })
			link.Heal()
			f.complete("1")
			f.counted(5, 2)
			f.elected("second", 2) // the first is back, and waits
		})
	}
}

// elected waits until this conductor is elected, of this many candidates.
func (f *fleet) elected(by string, of int) {
	f.t.Helper()
	f.until(by+" to be the conductor", func(v *store.View) bool {
		all := v.Conductors["shop"]
		return len(all) == of && all[0].By == by
	})
}

// TestStopsWithoutEtcd: a conductor stops soon after it was asked to although etcd does not answer,
// and so does one that waits to be elected.
func TestStopsWithoutEtcd(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t, 1)
	link := etcd.Proxy(t, 0)
	f := newFleet(t, etcd, 1)
	var stops [2]func()
	for i, by := range []string{"first", "second"} {
		stops[i] = f.conductOver(f.dial([]string{link.Endpoint}), store.Conductor{By: by})
		f.elected("first", i+1)
	}
	link.Answers.Cut()
	for _, stop := range stops {
		begun := time.Now()
		stop()
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("the conductor has ended after %s", took)
		}
	}
}

// fetching makes a machine wait in its first fetch. It returns a channel that is closed when the
// fetch waits, and a function that ends the wait.
func (f *fleet) fetching(machine int) (begun <-chan struct{}, end func()) {
	begins, ends := make(chan struct{}), make(chan struct{})
	f.gates[machine] <- func() { close(begins); <-ends }
	end = sync.OnceFunc(func() { close(ends) })
	f.t.Cleanup(end)
	return begins, end
}

// TestLeaseLostWhileFetching: a machine whose lease ends while it fetches takes its turn, which is
// still valid, with the next lease.
func TestLeaseLostWhileFetching(t *testing.T) {
	t.Parallel()
	f, link := newFleetCut(t)
	begun, end := f.fetching(1)
	f.deploy(store.Deploy{Release: version("1"), Deploy: plan.Deploy{Wave: 3}})
	<-begun
	link.Cut()
	f.present("m01", false)
	link.Heal()
	f.present("m01", true)
	end()
	f.complete("1")
	f.counted(3, 3)
}

// TestNextTurnWhileFetching: a machine whose turn was withdrawn while it fetches does the next one.
func TestNextTurnWhileFetching(t *testing.T) {
	t.Parallel()
	f := newFleet(t, etcdtest.Start(t, 1), 2)
	f.conduct(store.Conductor{})
	begun, end := f.fetching(1)
	f.deploy(store.Deploy{Release: version("1"), Deploy: plan.Deploy{Wave: 2}})
	<-begun
	f.until("the other machine", func(v *store.View) bool { return v.Reports["shop"]["m00"].Version == "1" })
	if _, err := f.client.Heed(t.Context(), "shop", plan.Abort, "test", false); err != nil {
		t.Fatal(err)
	}
	f.deploy(store.Deploy{Release: version("2"), Deploy: plan.Deploy{Wave: 2}})
	f.until("m01 to have its turn", func(v *store.View) bool { return v.Turns["shop"]["m01"].Deploy == 2 })
	end()
	f.complete("2")
	f.counted(3, 2)
}
