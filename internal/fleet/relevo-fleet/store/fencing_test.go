package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"relevo/internal/fleet/plan"
	"relevo/internal/fleet/relevo-fleet/etcdtest"
	"relevo/internal/fleet/relevo-fleet/store"
)

func dial(t *testing.T, c *etcdtest.Cluster) *store.Client {
	t.Helper()
	client, err := store.Dial(store.Options{Endpoints: c.Endpoints})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

var rolling = store.Deploy{App: "shop", Release: store.Release{Version: "1"}, By: "test",
	Deploy: plan.Deploy{State: plan.Rolling, Canary: 1, Wave: 2, MaxUnavailable: -1, TurnTimeout: time.Minute}}

// given makes a conductor give turns to machines, and returns the deploy and the turn of one of
// them.
func given(t *testing.T, c *store.Client, o *store.Office, machine string) (store.Deploy, store.Turn) {
	t.Helper()
	last := must[store.Deploy](t)(c.Current(t.Context(), "shop"))
	d := must[store.Deploy](t)(c.BeginDeploy(t.Context(), last, rolling))
	d = must[store.Deploy](t)(o.Perform(t.Context(), d, plan.Action{Kind: plan.Enter, Members: []string{machine}}))
	if n, err := o.GiveTurns(t.Context(), d, func(string) bool { return false }); n != 1 || err != nil {
		t.Fatalf("%d turns were given: %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var turn store.Turn
	c.Turns(ctx, "shop", machine, func(now *store.Turn) {
		if now != nil {
			turn = *now
		}
		cancel()
	}, func(err error) { t.Error(err) })
	return d, turn
}

func campaign(t *testing.T, c *store.Client) *store.Office {
	t.Helper()
	return must[*store.Office](t)(c.Campaign(t.Context(), "shop", store.Conductor{By: "test"}, 10))
}

// TestWithdrawnTurn: an agent that takes its turn late, because it was frozen, finds that the turn
// is not valid any more.
func TestWithdrawnTurn(t *testing.T) {
	t.Parallel()
	c := dial(t, etcdtest.Start(t, 1))
	office := campaign(t, c)
	session := must[*store.Session](t)(c.Begin(t.Context(), "m1", store.Presence{HostID: "a"}, 10*time.Second))
	for name, withdraw := range map[string]func(d store.Deploy) error{
		"a failure": func(d store.Deploy) error {
			_, err := office.Perform(t.Context(), d, plan.Action{Kind: plan.Fail, Reason: "test"})
			return err
		},
		"an abort": func(store.Deploy) error {
			_, err := c.Heed(t.Context(), "shop", plan.Abort, "test", false)
			return err
		},
	} {
		d, turn := given(t, c, office, "m1")
		report := store.Report{Turn: turn.ID, Phase: store.Rolling}
		if err := session.Take(t.Context(), "shop", turn, report); err != nil {
			t.Errorf("%s: a valid turn: %v", name, err)
		}
		if err := withdraw(d); err != nil {
			t.Fatal(err)
		}
		if err := session.Take(t.Context(), "shop", turn, report); !errors.Is(err, store.ErrStale) {
			t.Errorf("%s: a withdrawn turn: %v", name, err)
		}
		if state := must[store.Deploy](t)(c.Current(t.Context(), "shop")).State; state.Busy() {
			must[store.Deploy](t)(c.Heed(t.Context(), "shop", plan.Abort, "test", false))
		}
	}
}

// TestLostLease: an agent whose lease has ended, or that was replaced by another agent, can neither
// take a turn nor report, even if its turn still exists.
func TestLostLease(t *testing.T) {
	t.Parallel()
	c := dial(t, etcdtest.Start(t, 1))
	presence := store.Presence{HostID: "a", Host: "web"}
	session := must[*store.Session](t)(c.Begin(t.Context(), "m1", presence, 10*time.Second))
	_, turn := given(t, c, campaign(t, c), "m1")
	if !session.Alive() {
		t.Error("a new session is not alive")
	}
	if _, err := c.Begin(t.Context(), "m1", store.Presence{HostID: "b"}, 10*time.Second); err == nil {
		t.Error("another host has got the name of a machine that is present")
	}
	next := must[*store.Session](t)(c.Begin(t.Context(), "m1", presence, 10*time.Second))
	if err := session.Take(t.Context(), "shop", turn, store.Report{}); !errors.Is(err, store.ErrStale) {
		t.Errorf("the previous agent takes a turn: %v", err)
	}
	if err := session.Report(t.Context(), "shop", store.Report{}); !errors.Is(err, store.ErrStale) {
		t.Errorf("the previous agent reports: %v", err)
	}
	if err := next.Take(t.Context(), "shop", turn, store.Report{}); err != nil {
		t.Errorf("the agent takes its turn: %v", err)
	}
	if err := next.End(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := next.Take(t.Context(), "shop", turn, store.Report{}); !errors.Is(err, store.ErrStale) {
		t.Errorf("an agent without a lease takes a turn: %v", err)
	}
}

// TestLostOffice: a conductor that has been replaced changes nothing any more.
func TestLostOffice(t *testing.T) {
	t.Parallel()
	c := dial(t, etcdtest.Start(t, 1))
	first := campaign(t, c)
	d := must[store.Deploy](t)(c.BeginDeploy(t.Context(), store.Deploy{}, rolling))
	enter := plan.Action{Kind: plan.Enter, Members: []string{"m1"}}
	first.Resign()
	second := campaign(t, c)
	if _, err := first.Perform(t.Context(), d, enter); !errors.Is(err, store.ErrChanged) {
		t.Errorf("the previous conductor begins a stage: %v", err)
	}
	d = must[store.Deploy](t)(second.Perform(t.Context(), d, enter))
	if n, err := first.GiveTurns(t.Context(), d, func(string) bool { return false }); n != 0 || err != nil {
		t.Errorf("the previous conductor gives %d turns: %v", n, err)
	}
	if n, err := second.GiveTurns(t.Context(), d, func(string) bool { return false }); n != 1 || err != nil {
		t.Errorf("the conductor gives %d turns: %v", n, err)
	}
}

// TestTwoOperators: of two deploys that begin from the same state one is refused, and a conductor
// does nothing that it decided before an operator's request.
func TestTwoOperators(t *testing.T) {
	t.Parallel()
	c := dial(t, etcdtest.Start(t, 1))
	d := must[store.Deploy](t)(c.BeginDeploy(t.Context(), store.Deploy{}, rolling))
	if _, err := c.BeginDeploy(t.Context(), store.Deploy{}, rolling); !errors.Is(err, store.ErrChanged) {
		t.Errorf("a second deploy: %v", err)
	}
	must[store.Deploy](t)(c.Heed(t.Context(), "shop", plan.Pause, "test", false))
	enter := plan.Action{Kind: plan.Enter, Members: []string{"m1"}}
	if _, err := campaign(t, c).Perform(t.Context(), d, enter); !errors.Is(err, store.ErrChanged) {
		t.Errorf("a stage of a paused deploy: %v", err)
	}
	all := must[[]store.Entry](t)(c.Audit(t.Context(), "shop"))
	if len(all) != 2 || all[0].What != "deploy" || all[1].What != "pause" {
		t.Errorf("the audit trail: %+v", all)
	}
}

// TestCompacted: changes that were missed while etcd was away, and compacted there, are read again.
func TestCompacted(t *testing.T) {
	t.Parallel()
	cluster := etcdtest.Start(t, 1)
	c := dial(t, cluster)
	mirror := c.Follow(t.Context())
	session := must[*store.Session](t)(c.Begin(t.Context(), "m1", store.Presence{HostID: "a"}, 60*time.Second))
	until := func(version string) {
		t.Helper()
		for deadline := time.After(time.Minute); ; {
			shown := ""
			mirror.Look(func(v *store.View) { shown = v.Reports["shop"]["m1"].Version })
			if shown == version {
				return
			}
			select {
			case <-mirror.Changed:
			case <-deadline:
				t.Fatalf("the mirror shows version %q, not %q", shown, version)
			}
		}
	}
	if err := session.Report(t.Context(), "shop", store.Report{Version: "1"}); err != nil {
		t.Fatal(err)
	}
	until("1")
	cluster.Kill(0)
	cluster.Restart(0)
	cluster.Await()
	if err := session.Report(t.Context(), "shop", store.Report{Version: "2"}); err != nil {
		t.Fatal(err)
	}
	now, err := cluster.Client.Get(t.Context(), "any")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Client.Compact(t.Context(), now.Header.Revision); err != nil {
		t.Fatal(err)
	}
	until("2")
}
