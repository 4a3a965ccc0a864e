package cli

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"relevo/internal/trace/testotlp"
	"relevo/pool"
	"relevo/pool/machine"
)

// rolling is a stand-in whose next roll has these events; the last event is its end.
func rolling(result pool.RollResult, events ...pool.Event) *standIn {
	m := &standIn{result: result, events: make(chan pool.Event, len(events))}
	for _, e := range events {
		m.events <- e
	}
	return m
}

// TestRollIsTraced: a command that waits for a roll sends a trace of it, below the span of the job
// that runs the command, whether the roll succeeds or fails, and even if another master reports its
// end.
func TestRollIsTraced(t *testing.T) {
	began := time.Now().Add(-time.Minute)
	step := func(step pool.Step) pool.Event {
		return pool.Event{Kind: pool.KindRoll, Step: step, Time: began.Add(time.Second), Generation: 3, Slot: new(int),
			ID: "5"}
	}
	good := pool.RollResult{Generation: 3, From: 2, Result: machine.OK, Started: began, Ended: began.Add(time.Minute)}
	bad := good
	bad.Result, bad.Reason = machine.RolledBack, "worker 5 died"
	for name, c := range map[string]struct {
		master *standIn
		args   []string
		code   int
		want   string
	}{
		"reload": {rolling(good, step(pool.StepBegan), step(pool.StepCanary), step(pool.StepEnded)),
			[]string{"reload"}, 0, "roll web, canary"},
		"rollback": {rolling(good, step(pool.StepBegan), step(pool.StepEnded)),
			[]string{"rollback", "--json"}, 0, "roll web"},
		"another master tells the end": {rolling(bad, step(pool.StepBegan), step(pool.StepCanary)),
			[]string{"restart", "web"}, 10, "roll web failed, canary"},
		"nobody waits": {rolling(good), []string{"reload", "--no-wait"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			emptyPlaces(t)
			collector := testotlp.New(t)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
			t.Setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
			close(c.master.events)
			c.master.serve(t, "web")
			if code, _, said := command(t, c.args...); code != c.code || strings.Contains(said, "trace") {
				t.Errorf("exit code %d: %s", code, said)
			}
			spans, requests := collector.Received()
			var got []string
			for i, s := range spans {
				if i == 0 && testotlp.ID(s.ParentSpanId) != "b7ad6b7169203331" ||
					testotlp.ID(s.TraceId) != "0af7651916cd43dd8448eb211c80319c" {
					t.Errorf("not below the job's span: %v", s)
				}
				if s.Status.GetMessage() == bad.Reason {
					s.Name += " failed"
				}
				got = append(got, s.Name)
			}
			if strings.Join(got, ", ") != c.want || len(got) > 0 && requests[0].URL.Path != "/v1/traces" {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestJobIsNotRecorded: a roll of a job whose trace is not recorded is not traced. The traces of relevo
// web are its own.
func TestJobIsNotRecorded(t *testing.T) {
	emptyPlaces(t)
	collector := testotlp.New(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
	m := rolling(rolledWell(), pool.Event{Kind: pool.KindRoll, Step: pool.StepEnded, Generation: 3})
	m.serve(t, "web")
	if code, _, said := command(t, "reload"); code != 0 || strings.Contains(said, "trace") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if _, requests := collector.Received(); len(requests) != 0 {
		t.Errorf("the receiver got %d requests", len(requests))
	}
}

// TestNoReceiver: an absent receiver or a wrong setting changes neither the result nor the exit
// code, and is reported in one line.
func TestNoReceiver(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for endpoint, want := range map[string]string{
		gone.URL:         "relevo: cannot send a trace to " + gone.URL + "/v1/traces: Post ",
		"localhost:4317": `relevo: cannot send traces to "localhost:4317/v1/traces": write a URL such as `,
	} {
		emptyPlaces(t)
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
		m := rolling(rolledWell(), pool.Event{Kind: pool.KindRoll, Step: pool.StepEnded, Generation: 3})
		m.serve(t, "web")
		code, out, said := command(t, "reload")
		if code != 0 || !strings.HasPrefix(out, "web: generation 3 serves") || !strings.HasPrefix(said, want) ||
			!strings.HasSuffix(said, "; rolls continue without it\n") || strings.Count(said, "\n") != 1 {
			t.Errorf("%s: exit code %d: %s%s", endpoint, code, out, said)
		}
	}
}
