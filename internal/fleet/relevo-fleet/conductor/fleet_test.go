package conductor_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"relevo/internal/fleet/plan"
	"relevo/internal/fleet/relevo-fleet/agent"
	"relevo/internal/fleet/relevo-fleet/conductor"
	"relevo/internal/fleet/relevo-fleet/etcdtest"
	"relevo/internal/fleet/relevo-fleet/simulated"
	"relevo/internal/fleet/relevo-fleet/store"
)

// fleet is a fleet of simulated machines with a real etcd.
type fleet struct {
	t      *testing.T
	client *store.Client
	mirror *store.Mirror
	apps   []*simulated.App
	quiet  *slog.Logger

	mu             sync.Mutex
	atWork, atMost int
	rolls          int           // that have begun
	held           chan struct{} // closed when rolls may continue; nil: they need not wait
	gates          []chan func() // for each machine: the function that its next fetch calls
}

func newFleet(t *testing.T, etcd *etcdtest.Cluster, machines int) *fleet {
	return newFleetOver(t, etcd, machines, agent.Options{}, func(int) []string { return etcd.Endpoints })
}

// newFleetOver is a fleet whose machines reach etcd at these endpoints, one each. o has further
// options of their agents.
func newFleetOver(t *testing.T, etcd *etcdtest.Cluster, machines int, o agent.Options,
	endpoints func(machine int) []string) *fleet {
	f := &fleet{t: t, quiet: slog.New(slog.NewTextHandler(io.Discard, nil))}
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	f.client = f.dial(etcd.Endpoints)
	t.Cleanup(func() { cancel(); all.Wait() })
	o.Log = cmp.Or(o.Log, f.quiet)
	for i := range machines {
		app := &simulated.App{RollTime: 50 * time.Millisecond, Bad: "bad", Began: f.begins, Ended: f.ends}
		gate := make(chan func(), 1)
		app.Fetching = func() {
			select {
			case wait := <-gate:
				wait()
			default:
			}
		}
		f.apps, f.gates = append(f.apps, app), append(f.gates, gate)
		o.Client, o.Machine, o.Apps = f.dial(endpoints(i)), fmt.Sprintf("m%02d", i), map[string]agent.App{"shop": app}
		o.Labels = map[string]string{"zone": string(rune('a' + i%3))}
		options := o
		all.Go(func() { agent.Run(ctx, options) })
	}
	f.mirror = f.client.Follow(ctx)
	all.Go(f.mirror.Wait)
	f.until("all machines", func(v *store.View) bool { return len(v.Reports["shop"]) == machines })
	return f
}

func (f *fleet) dial(endpoints []string) *store.Client {
	client, err := store.Dial(store.Options{Endpoints: endpoints})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { client.Close() })
	return client
}

func (f *fleet) begins() {
	f.mu.Lock()
	f.rolls++
	f.atWork++
	f.atMost = max(f.atMost, f.atWork)
	held := f.held
	f.mu.Unlock()
	if held != nil {
		<-held
	}
}

func (f *fleet) ends() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.atWork--
}

// conduct runs a conductor until stop is called.
func (f *fleet) conduct(who store.Conductor) (stop func()) { return f.conductOver(f.client, who) }

// conductOver runs a conductor with its own connection.
func (f *fleet) conductOver(client *store.Client, who store.Conductor) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var one sync.WaitGroup
	one.Go(func() {
		conductor.Run(ctx, conductor.Options{Client: client, App: "shop", Who: who, Log: f.quiet, TTL: 5})
	})
	stop = sync.OnceFunc(func() { cancel(); one.Wait() })
	f.t.Cleanup(stop)
	return stop
}

func (f *fleet) until(what string, shows func(*store.View) bool) {
	f.t.Helper()
	for deadline := time.After(time.Minute); ; {
		ok := false
		f.mirror.Look(func(v *store.View) { ok = shows(v) })
		if ok {
			return
		}
		select {
		case <-f.mirror.Changed:
		case <-deadline:
			f.t.Fatalf("waited too long for %s", what)
		}
	}
}

func (f *fleet) deploy(d store.Deploy) store.Deploy {
	f.t.Helper()
	last, err := f.client.Current(f.t.Context(), "shop")
	if err != nil {
		f.t.Fatal(err)
	}
	d.App, d.By, d.State, d.MaxUnavailable = "shop", "test", plan.Rolling, -1
	if d.TurnTimeout == 0 {
		d.TurnTimeout = time.Minute
	}
	if d, err = f.client.BeginDeploy(f.t.Context(), last, d); err != nil {
		f.t.Fatal(err)
	}
	return d
}

// becomes waits until the deploy is in this state, and returns how many machines run a version.
func (f *fleet) becomes(state plan.State, version string) (n int) {
	f.t.Helper()
	f.until(string(state), func(v *store.View) bool { return v.Deploys["shop"].State == state })
	for _, app := range f.apps {
		if app.Runs().Version == version {
			n++
		}
	}
	return n
}

func version(text string) store.Release { return store.Release{Version: text} }

// TestWaves: the number of machines that work at the same time never exceeds a wave, even if the
// conductor is replaced in mid-wave and an operator pauses.
func TestWaves(t *testing.T) {
	t.Parallel()
	f := newFleet(t, etcdtest.Start(t, 1), 12)
	stop := f.conduct(store.Conductor{By: "a"})
	f.deploy(store.Deploy{Release: version("1"), Label: "zone", Deploy: plan.Deploy{Canary: 1, Wave: 3}})
	f.until("the second wave", func(v *store.View) bool { return v.Deploys["shop"].Stage == 2 })
	f.conduct(store.Conductor{By: "b"})
	stop()
	f.until("the third wave", func(v *store.View) bool { return v.Deploys["shop"].Stage == 3 })
	if _, err := f.client.Heed(t.Context(), "shop", plan.Pause, "test", false); err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.Heed(t.Context(), "shop", plan.Resume, "test", false); err != nil {
		t.Fatal(err)
	}
	if n := f.becomes(plan.Complete, "1"); n != 12 {
		t.Errorf("%d machines run the new version", n)
	}
	if f.atMost != 3 {
		t.Errorf("%d machines worked at the same time; a wave has 3", f.atMost)
	}
}

// TestBadWave: a bad release stops at the canary, or without a canary at the first wave.
func TestBadWave(t *testing.T) {
	t.Parallel()
	f := newFleet(t, etcdtest.Start(t, 1), 6)
	f.conduct(store.Conductor{})
	f.deploy(store.Deploy{Release: version("bad"), Deploy: plan.Deploy{Canary: 1, Wave: 3}})
	f.becomes(plan.Held, "bad")
	f.until("one report", func(v *store.View) bool { return turns(v, "1.1") == 1 && turns(v, "1.2") == 0 })
	f.deploy(store.Deploy{Release: version("bad"), Deploy: plan.Deploy{Wave: 3}})
	f.becomes(plan.Held, "bad")
	f.until("no turns", func(v *store.View) bool { return len(v.Turns["shop"]) == 0 && turns(v, "2.2") == 0 })
}

// turns counts the machines whose last turn was of this kind.
func turns(v *store.View, id string) (n int) {
	for _, r := range v.Reports["shop"] {
		if r.Turn == id {
			n++
		}
	}
	return n
}

// TestFaultTakesBack: if a machine gets a fault during a deploy, all changed machines are rolled
// back.
func TestFaultTakesBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t, etcdtest.Start(t, 1), 4)
	f.conduct(store.Conductor{})
	f.deploy(store.Deploy{Release: version("1"), Deploy: plan.Deploy{Wave: 4}})
	f.becomes(plan.Complete, "1")
	f.deploy(store.Deploy{Release: version("2"), Deploy: plan.Deploy{Canary: 2, Wave: 4, Bake: time.Hour, RollBack: true}})
	f.until("the canaries", func(v *store.View) bool { return done(v, "2.1") == 2 })
	i := slices.IndexFunc(f.apps, func(a *simulated.App) bool { return a.Runs().Version == "2" })
	f.apps[i].Become(agent.Health{Running: true, Workers: 1, Fault: "a worker dies"})
	if n := f.becomes(plan.RolledBack, "1"); n != 4 {
		t.Errorf("%d machines were rolled back", n)
	}
}

func done(v *store.View, id string) (n int) {
	for _, r := range v.Reports["shop"] {
		if r.Turn == id && r.Phase == store.Done {
			n++
		}
	}
	return n
}

// TestCheck: a stage succeeds when the check has passed, and fails with the check. A conductor that
// runs no checks does not continue.
func TestCheck(t *testing.T) {
	t.Parallel()
	f := newFleet(t, etcdtest.Start(t, 1), 2)
	stop := f.conduct(store.Conductor{Checks: true})
	check := `test "$RELEVO_FLEET_VERSION $RELEVO_FLEET_APP" = "1 shop" || { echo wrong; exit 4; }`
	f.deploy(store.Deploy{Release: version("1"), Check: check, Deploy: plan.Deploy{Canary: 1, Wave: 2}})
	f.becomes(plan.Complete, "1")
	f.deploy(store.Deploy{Release: version("2"), Check: check, Deploy: plan.Deploy{Canary: 1, Wave: 2}})
	if n := f.becomes(plan.Held, "2"); n != 1 {
		t.Errorf("%d machines have a release that the check refuses", n)
	}
	stop()
	f.conduct(store.Conductor{})
	f.deploy(store.Deploy{Release: version("3"), Check: "true", Deploy: plan.Deploy{Canary: 1, Wave: 2}})
	f.until("the canary", func(v *store.View) bool { return done(v, "3.1") == 1 })
	if n := f.becomes(plan.Rolling, "3"); n != 1 {
		t.Errorf("%d machines have the release without the check", n)
	}
}
