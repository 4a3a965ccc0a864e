package monitor

import (
	"context"
	"encoding/json"
	"testing"

	"relevo/internal/config"
	"relevo/internal/health"
	"relevo/pool"
)

// While another master may take over, no worker is asked: the questions change the steering,
// which belongs to the other master then.
func TestHealthPause(t *testing.T) {
	var w Monitor
	ctx, done, ok := w.round(context.Background())
	if !ok {
		t.Fatal("no round")
	}
	paused := make(chan struct{})
	go func() {
		w.Pause()
		close(paused)
	}()
	<-ctx.Done() // the round is asked to end
	select {
	case <-paused:
		t.Fatal("it does not wait for the round")
	default:
	}
	done()
	<-paused
	if _, _, ok := w.round(context.Background()); ok {
		t.Error("workers are asked while another master may go on")
	}
	w.Resume()
	if _, done, ok = w.round(context.Background()); !ok {
		t.Fatal("no worker is asked after it")
	}
	done()
}

// What is known goes from one master to the next; nothing of it, or what cannot be read,
// is asked again.
func TestHealthLegacy(t *testing.T) {
	h := config.Health{HTTP: "/healthz", Failures: 1}
	var first Monitor
	if first.Legacy() != nil {
		t.Error("a legacy without a check")
	}
	first.begin(h)
	first.decide(h, []health.Sample{{Worker: "1"}, {Worker: "2"}}, nil, []pool.Worker{{ID: "1"}, {ID: "2"}}, "")
	var second Monitor
	second.TakeOver(first.Legacy())
	if !second.begin(h) || second.proven(h) != checkProven {
		t.Error("the next master does not know that the check was passed")
	}
	verdict, _ := second.decide(h, []health.Sample{{Worker: "1", Fault: "GET /healthz: 500"}, {Worker: "2"}}, nil,
		[]pool.Worker{{ID: "1"}, {ID: "2"}}, "")
	if verdict.Suspend != "1" || verdict.Reason != "unhealthy: GET /healthz: 500" {
		t.Errorf("%+v", verdict)
	}
	for _, left := range []json.RawMessage{nil, json.RawMessage(`{}`), json.RawMessage(`{"workers":7}`),
		json.RawMessage(`{"workers":{"1":{}},"out":"9"}`)} {
		var third Monitor
		third.TakeOver(left)
		third.begin(h)
		if third.proven(h) != checkNew {
			t.Errorf("from %s", left)
		}
		third.decide(h, []health.Sample{{Worker: "1"}}, nil, []pool.Worker{{ID: "1"}}, "")
	}
}
