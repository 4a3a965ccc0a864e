package trace_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "relevo/internal/trace"
	"relevo/internal/trace/testotlp"
	"relevo/pool"
	"relevo/pool/machine"
)

var (
	began = time.Date(2026, 11, 26, 12, 0, 0, 123456789, time.UTC)
	since = began.Add(-time.Hour)
)

func at(seconds int) time.Time { return began.Add(time.Duration(seconds) * time.Second) }

func roll(seconds int, step pool.Step, slot int, id string) pool.Event {
	e := pool.Event{Time: at(seconds), Kind: pool.KindRoll, Step: step, Generation: 2, ID: id}
	if slot >= 0 {
		e.Slot = &slot
	}
	return e
}

func worker(seconds int, kind pool.Kind, slot, generation int) pool.Event {
	return pool.Event{Time: at(seconds), Kind: kind, Slot: &slot, Generation: generation, Cause: machine.CauseRoll}
}

func ended(seconds int, result machine.Result, reason string) pool.Event {
	took := int64(seconds) * 1000
	e := roll(seconds, pool.StepEnded, -1, "")
	e.Result, e.Reason, e.DurationMS, e.From, e.Done = string(result), reason, &took, 1, 2
	e.Release, e.FromRelease = &pool.Info{SHA256: "bb", Version: "v2"}, &pool.Info{SHA256: "aa"}
	return e
}

func probation() pool.Event {
	e, ms := roll(2, pool.StepProbation, 0, "3"), int64(2000)
	e.AfterMS, e.Share = &ms, "5%"
	return e
}

// good is a roll of two slots.
func good() []pool.Event {
	return []pool.Event{
		roll(0, pool.StepBegan, -1, ""), worker(1, pool.KindFork, 0, 2), worker(2, pool.KindReady, 0, 2), probation(),
		roll(4, pool.StepCanary, 0, "3"), roll(4, pool.StepReplaced, 0, "3"), worker(5, pool.KindFork, 1, 2),
		worker(5, pool.KindMessage, 1, 2), worker(6, pool.KindReady, 1, 2), roll(7, pool.StepReplaced, 1, "4"),
		worker(7, pool.KindExit, 0, 1), ended(8, machine.OK, ""),
	}
}

func aborted() []pool.Event {
	reverting := roll(6, pool.StepReverting, 1, "4")
	reverting.Reason = "worker 4 exited with code 3"
	code, exit := 3, worker(6, pool.KindExit, 1, 2)
	exit.Code = &code
	return append(good()[:9], exit, reverting, worker(7, pool.KindFork, 0, 1), roll(8, pool.StepReverted, 0, "5"),
		ended(9, machine.RolledBack, reverting.Reason))
}

func tell(t *testing.T, r *Recorder, events []pool.Event) (all []Trace) {
	t.Helper()
	for _, e := range events {
		if trace, ended := r.Hear(e); ended {
			all = append(all, trace)
		}
	}
	return all
}

// lines writes each span as a line of text.
func lines(spans []testotlp.Span) (all []string) {
	names := map[string]string{}
	for _, s := range spans {
		names[testotlp.ID(s.SpanId)] = s.Name
	}
	for _, s := range spans {
		from, to := time.Unix(0, int64(s.StartTimeUnixNano)).Sub(began), time.Unix(0, int64(s.EndTimeUnixNano)).Sub(began)
		line := fmt.Sprintf("%s < %s %v to %v", s.Name, names[testotlp.ID(s.ParentSpanId)], from, to)
		for _, e := range s.Events {
			when := time.Unix(0, int64(e.TimeUnixNano)).Sub(began)
			line += fmt.Sprintf(", %s at %v %v", e.Name, when, testotlp.Values(e.Attributes))
		}
		if s.Status != nil {
			line += fmt.Sprintf(", %v %s", s.Status.Code, s.Status.Message)
		}
		all = append(all, line)
	}
	return all
}

// TestRolls: what a collector receives for a roll that succeeds, and for one that fails.
func TestRolls(t *testing.T) {
	for name, c := range map[string]struct {
		events     []pool.Event
		want       []string
		attributes map[string]any
	}{
		"good": {good(), []string{
			"roll web <  0s to 8s, STATUS_CODE_OK ",
			"canary < roll web 1s to 4s, ready at 2s map[relevo.ready_by:], " +
				"probation at 2s map[relevo.probation_ms:2000 relevo.share:5%], STATUS_CODE_OK ",
			"slot 1 < roll web 5s to 7s, ready at 6s map[relevo.ready_by:], STATUS_CODE_OK ",
		}, map[string]any{"deployment.status": "succeeded", "relevo.result": "ok"}},
		"failed": {aborted(), []string{
			"roll web <  0s to 9s, reverting at 6s map[relevo.reason:worker 4 exited with code 3], " +
				"STATUS_CODE_ERROR worker 4 exited with code 3",
			"canary < roll web 1s to 4s, ready at 2s map[relevo.ready_by:], " +
				"probation at 2s map[relevo.probation_ms:2000 relevo.share:5%], STATUS_CODE_OK ",
			"slot 1 < roll web 5s to 6s, ready at 6s map[relevo.ready_by:], exit at 6s map[process.exit.code:3], " +
				"STATUS_CODE_ERROR worker 4 exited with code 3",
			"revert slot 0 < roll web 7s to 8s, STATUS_CODE_OK ",
		}, map[string]any{"deployment.status": "failed", "relevo.result": "rolled-back"}},
	} {
		t.Run(name, func(t *testing.T) {
			collector := testotlp.New(t)
			all := tell(t, &Recorder{App: "web", Since: since}, c.events)
			if len(all) != 1 {
				t.Fatalf("%d traces", len(all))
			}
			settings := settings(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL)
			if err := (&Exporter{Settings: *settings}).Send(t.Context(), all[0]); err != nil {
				t.Fatal(err)
			}
			spans, _ := collector.Received()
			if got := lines(spans); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			want := map[string]any{"deployment.id": testotlp.ID(all[0].ID[:8]), "deployment.name": "web", "relevo.generation": 2,
				"relevo.from_generation": 1, "relevo.replaced": 2, "relevo.release": "bb", "relevo.release.version": "v2",
				"relevo.from_release": "aa"}
			maps.Copy(want, c.attributes)
			if got := testotlp.Values(spans[0].Attributes); !reflect.DeepEqual(got, want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
			canary := map[string]any{"relevo.slot": 0, "relevo.worker": "3"}
			if got := testotlp.Values(spans[1].Attributes); !reflect.DeepEqual(got, canary) {
				t.Errorf("the canary has %v", got)
			}
		})
	}
}

// TestSameNumbers: two processes that report the same roll use the same IDs, also if one has
// received fewer events; and no two spans have the same ID.
func TestSameNumbers(t *testing.T) {
	whole := tell(t, &Recorder{App: "web", Since: since}, aborted())[0]
	late := tell(t, &Recorder{App: "web", Since: since}, append(aborted()[:1], aborted()[7:]...))[0]
	numbers, seen := map[string]string{}, map[[8]byte]bool{}
	for _, s := range whole.Spans {
		numbers[s.Name] = fmt.Sprint(s.ID)
		if seen[s.ID] {
			t.Errorf("%s has the number of another span", s.Name)
		}
		seen[s.ID] = true
	}
	if late.ID != whole.ID || late.Spans[0].ID != whole.Spans[0].ID {
		t.Error("the trace has another number")
	}
	if other := tell(t, &Recorder{App: "web", Since: began}, good())[0]; other.ID == whole.ID {
		t.Error("the second generation of another start has the same number")
	}
	joined := tell(t, &Recorder{App: "web", Since: since, Parent: parent(t)}, aborted())[0]
	if joined.ID != parent(t).Trace || joined.Spans[0].Parent != parent(t).Span || joined.State != "a=b" ||
		fmt.Sprint(joined.Spans[1].ID) != numbers["canary"] {
		t.Errorf("below a parent: %+v", joined)
	}
}

func parent(t *testing.T) Parent {
	return settings(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://x", "TRACESTATE=a=b",
		"TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").Parent
}

// TestPartsOfRolls: rolls of which only some events were received, and rolls that another roll ended.
func TestPartsOfRolls(t *testing.T) {
	r := &Recorder{App: "web", Since: since}
	for name, c := range map[string]struct {
		events []pool.Event
		want   string
	}{
		"the end alone":     {good()[11:], "roll web 8s"},
		"without its forks": {append(good()[:1], good()[4], good()[9], good()[11]), "roll web 8s, canary 0s, slot 1 0s"},
		"superseded on the way": {append(good()[:3], roll(3, pool.StepSuperseded, -1, "")),
			"roll web 3s, canary 2s"},
		"superseded before it began": {[]pool.Event{roll(3, pool.StepSuperseded, -1, "")}, ""},
		"aborted by hand": {append(good()[:3], roll(3, pool.StepReverting, -1, ""), ended(4, machine.RolledBack, "")),
			"roll web 4s, canary 2s"},
		"another generation meanwhile": {append(good()[:3], pool.Event{Kind: pool.KindRoll, Step: pool.StepSuperseded,
			Generation: 3}, good()[4], good()[11]), "roll web 8s, canary 3s"},
	} {
		var got []string
		for _, trace := range tell(t, r, c.events) {
			for _, s := range trace.Spans {
				got = append(got, fmt.Sprintf("%s %v", s.Name, s.End.Sub(s.Start)))
			}
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %s, want %s", name, strings.Join(got, ", "), c.want)
		}
	}
	result := pool.RollResult{Generation: 9, Result: machine.OK, Started: at(0), Ended: at(5)}
	if trace := r.Trace(result); len(trace.Spans) != 1 || trace.Generation != 9 || !trace.Spans[0].Start.Equal(at(0)) {
		t.Errorf("of a result alone: %+v", trace)
	}
}

// TestSend: the request that carries a trace, and receivers that are busy or refuse it.
func TestSend(t *testing.T) {
	trace := tell(t, &Recorder{App: "web"}, good())[0]
	for name, c := range map[string]struct {
		answers  []int
		set      []string
		fails    string
		requests int
	}{
		"gzip":    {set: []string{"OTEL_EXPORTER_OTLP_COMPRESSION=gzip"}, requests: 1},
		"busy":    {answers: []int{503, 429}, requests: 3},
		"refused": {answers: []int{400}, requests: 1, fails: `: 400 Bad Request "no room\n"`},
		"moved":   {answers: []int{302}, requests: 1, fails: ": 302 Found"},
		"busy forever": {answers: make([]int, 0), set: []string{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=1"}, requests: -1,
			fails: "cannot send a trace to "},
	} {
		t.Run(name, func(t *testing.T) {
			if c.requests < 0 {
				c.answers = []int{503, 503, 503}
			}
			collector := testotlp.New(t, c.answers...)
			settings := settings(t, append(c.set, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="+collector.URL+"/own/path",
				"OTEL_EXPORTER_OTLP_HEADERS=x-key=a%20b, other = c")...)
			err := (&Exporter{Settings: *settings}).Send(t.Context(), trace)
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("the error is %v", err)
			}
			spans, requests := collector.Received()
			if c.requests >= 0 && len(requests) != c.requests || c.fails == "" && len(spans) != 3 {
				t.Errorf("%d requests, %d spans", len(requests), len(spans))
			}
			for _, q := range requests {
				if q.URL.Path != "/own/path" || q.Header.Get("X-Key") != "a b" || q.Header.Get("Other") != "c" {
					t.Errorf("%s %v", q.URL, q.Header)
				}
			}
		})
	}
}

// TestPasswordIsNotPrinted: the password in a receiver's URL is in no error.
func TestPasswordIsNotPrinted(t *testing.T) {
	collector := testotlp.New(t, 400)
	settings := settings(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+strings.Replace(collector.URL, "//", "//u:secret@", 1))
	err := (&Exporter{Settings: *settings}).Send(t.Context(), Trace{})
	if err == nil || !strings.Contains(err.Error(), collector.URL) || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	if _, requests := collector.Received(); len(requests) != 1 || requests[0].Header.Get("Authorization") == "" {
		t.Errorf("it was not sent as that user: %v", requests)
	}
}

// TestQueue: a receiver that fails blocks no caller, and is reported once.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent, warned int
		works, holds := false, false
		queue := &Queue{Warn: func(error) { warned++ }, Send: func(ctx context.Context, _ Trace) error {
			if sent++; holds {
				<-ctx.Done()
				return ctx.Err()
			}
			if works {
				return nil
			}
			return errors.New("no")
		}}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan struct{})
		go func() { defer close(ran); queue.Run(ctx) }()
		try := func(n int) {
			for range n {
				queue.Add(Trace{})
			}
			synctest.Wait()
		}
		try(3)
		if sent != 3 || warned != 1 {
			t.Errorf("%d sent, %d warnings", sent, warned)
		}
		works = true
		try(1)
		works = false
		try(2)
		if sent != 6 || warned != 2 {
			t.Errorf("%d sent, %d warnings", sent, warned)
		}
		holds = true
		try(200)
		began := time.Now()
		cancel()
		<-ran
		if took := time.Since(began); took != time.Second {
			t.Errorf("it ended after %v", took)
		}
	})
}

func settings(t *testing.T, variables ...string) *Settings {
	t.Helper()
	s, err := fromEnvironment(variables)
	if err != nil || s == nil {
		t.Fatalf("%v: %v, %v", variables, s, err)
	}
	return s
}

func fromEnvironment(variables []string) (*Settings, error) {
	return FromEnvironment(func(name string) string {
		for _, v := range variables {
			if value, is := strings.CutPrefix(v, name+"="); is {
				return value
			}
		}
		return ""
	}, "v9")
}

// TestEnvironment: the variables of OpenTelemetry.
func TestEnvironment(t *testing.T) {
	const on = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"
	for _, off := range [][]string{
		{}, {"OTEL_SERVICE_NAME=x"}, {on, "OTEL_SDK_DISABLED=TRUE"}, {on, "OTEL_TRACES_EXPORTER=none"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT= "},
	} {
		if s, err := fromEnvironment(off); s != nil || err != nil {
			t.Errorf("%v: %v, %v", off, s, err)
		}
	}
	for variable, want := range map[string]string{
		"OTEL_EXPORTER_OTLP_PROTOCOL=grpc": "http/protobuf alone", "OTEL_TRACES_EXPORTER=console": "otlp and none",
		"OTEL_EXPORTER_OTLP_TIMEOUT=5s": "write milliseconds", "OTEL_EXPORTER_OTLP_COMPRESSION=zstd": "gzip and none",
		"OTEL_EXPORTER_OTLP_HEADERS=secret": "write NAME=VALUE", "OTEL_RESOURCE_ATTRIBUTES=a=%zz": "write NAME=VALUE",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=collector:4317":          "write a URL",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=u:secret@collector:4317": "write a URL",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=ftp://u:secret@here":     "ftp://here",
	} {
		_, err := fromEnvironment([]string{variable, on})
		if err == nil || !strings.HasPrefix(err.Error(), "cannot ") || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", variable, err)
		}
	}
	s := settings(t, on+"/", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=staging,service.name=no",
		"OTEL_SERVICE_NAME=ci")
	want := []Attribute{{"service.name", "ci"}, {"deployment.environment.name", "staging"},
		{"telemetry.sdk.name", "relevo"}, {"telemetry.sdk.language", "go"}, {"telemetry.sdk.version", "v9"}}
	if s.URL != "http://127.0.0.1:4318/v1/traces" || !reflect.DeepEqual(s.Resource, want) || s.Timeout != 10*time.Second {
		t.Errorf("%+v", s)
	}
	if s := settings(t, on); s.Resource[0].Value != "relevo" || s.Resource[1].Value != "v9" {
		t.Errorf("%+v", s.Resource)
	}
	for _, wrong := range []string{"", "x", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "ff-" + parts + "-01",
		"00-" + strings.ToUpper(parts) + "-01", "00-" + parts + "-01-x", "00-" + strings.Repeat("0", 32) + parts[32:] + "-01",
		"00-" + parts[:33] + strings.Repeat("0", 16) + "-01", "00-" + parts[1:] + "-01"} {
		if s := settings(t, on, "TRACEPARENT="+wrong); s.Parent != (Parent{}) {
			t.Errorf("%q is a parent: %+v", wrong, s.Parent)
		}
	}
	if s := settings(t, on, "TRACEPARENT=00-"+parts+"-00"); !s.Parent.Ignored {
		t.Error("a parent that is not recorded counts as recorded")
	}
	if s := settings(t, on, "TRACEPARENT=01-"+parts+"-03-later"); s.Parent == (Parent{}) {
		t.Error("a parent of a later version is none")
	}
}

const parts = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
