package store

import (
	"context"
	"errors"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"relevo/internal/fleet/relevo-fleet/etcdtest"
)

// holding is a connection whose transactions arrive when the test says so, and whose answers are
// lost.
type holding struct {
	clientv3.KV
	late []clientv3.Txn
}

type heldTxn struct {
	clientv3.Txn
	by *holding
}

func (h *holding) Txn(context.Context) clientv3.Txn {
	return heldTxn{h.KV.Txn(context.Background()), h}
}

func (x heldTxn) If(c ...clientv3.Cmp) clientv3.Txn  { x.Txn = x.Txn.If(c...); return x }
func (x heldTxn) Then(o ...clientv3.Op) clientv3.Txn { x.Txn = x.Txn.Then(o...); return x }
func (x heldTxn) Else(o ...clientv3.Op) clientv3.Txn { x.Txn = x.Txn.Else(o...); return x }

func (x heldTxn) Commit() (*clientv3.TxnResponse, error) {
	x.by.late = append(x.by.late, x.Txn)
	return nil, errors.New("no answer")
}

func (h *holding) arrive(t *testing.T) {
	t.Helper()
	for _, txn := range h.late {
		if _, err := txn.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	h.late = nil
}

// TestLateReport: a report that etcd gets late, when the agent has already replaced it by another
// one, changes nothing. A report that etcd gets, but whose answer is lost, is replaced.
func TestLateReport(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t, 1)
	c, err := Dial(Options{Endpoints: etcd.Endpoints})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := c.Begin(t.Context(), "m1", Presence{HostID: "a"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	kv, held := c.etcd.KV, &holding{KV: c.etcd.KV}
	report := func(phase Phase) error { return s.Report(t.Context(), "shop", Report{Turn: "1.1", Phase: phase}) }
	says := func(want Phase) {
		t.Helper()
		if r, err := c.LastReport(t.Context(), "m1", "shop"); err != nil || r.Phase != want {
			t.Errorf("etcd has phase %q, not %q: %v", r.Phase, want, err)
		}
	}
	for _, arrivesFirst := range []bool{false, true} {
		if err := report(Idle); err != nil {
			t.Fatal(err)
		}
		c.etcd.KV = held
		if report(Rolling) == nil {
			t.Fatal("a report without an answer counts as written")
		}
		c.etcd.KV = kv
		if arrivesFirst {
			held.arrive(t)
			says(Rolling)
		}
		if err := report(Done); err != nil {
			t.Fatal(err)
		}
		held.arrive(t)
		says(Done)
	}
}
