package test

import (
	"strings"
	"testing"

	"relevo/internal/trace/testotlp"
)

// traced returns the names of the spans of one trace; the first is that of the roll.
func traced(s *site, collector *testotlp.Receiver) (spans []testotlp.Span, names string) {
	s.t.Helper()
	s.await("a trace", func() bool {
		spans, _ = collector.Received()
		return len(spans) > 0
	})
	for i, span := range spans {
		if names += " " + span.Name; i > 0 && testotlp.ID(span.ParentSpanId) != testotlp.ID(spans[0].SpanId) {
			s.t.Errorf("%s is not a part of the roll", span.Name)
		}
		if span.EndTimeUnixNano < span.StartTimeUnixNano || span.StartTimeUnixNano < spans[0].StartTimeUnixNano {
			s.t.Errorf("the times of %s are wrong: %v", span.Name, span)
		}
	}
	return spans, strings.TrimSpace(names)
}

// TestTraces: relevo reload, and relevo web at the same time, send the same trace of a real roll.
// relevo web continues with the next master, and reports a roll that fails.
func TestTraces(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "2", "--canary", "0s", "--watch-binary=false")
	reloads, pages := testotlp.New(t), testotlp.New(t)
	plain := s.env
	s.env = append(plain, "OTEL_EXPORTER_OTLP_ENDPOINT="+pages.URL, "OTEL_SERVICE_NAME=rolls")
	p := s.web("--listen", "127.0.0.1:0")
	s.env = append(plain, "OTEL_EXPORTER_OTLP_ENDPOINT="+reloads.URL)
	s.release("2", "serve")
	if code, said := s.relevo("reload"); code != 0 {
		t.Fatalf("reload: %d %s", code, said)
	}
	first, names := traced(s, reloads)
	if names != "roll site canary slot 1" {
		t.Errorf("reload has sent %s", names)
	}
	same, names := traced(s, pages)
	if !strings.HasPrefix(names, "roll site") || testotlp.ID(same[0].TraceId) != testotlp.ID(first[0].TraceId) ||
		testotlp.ID(same[0].SpanId) != testotlp.ID(first[0].SpanId) || same[0].Resource["service.name"] != "rolls" {
		t.Errorf("relevo web has sent %s: %v", names, same)
	}
	s.env = plain
	if code, said := s.relevo("upgrade"); code != 0 {
		t.Fatalf("upgrade: %d %s", code, said)
	}
	s.release("3", "crash")
	if code, said := s.relevo("reload"); code != 10 {
		t.Fatalf("reload: %d %s", code, said)
	}
	failed, names := traced(s, pages)
	got := testotlp.Values(failed[0].Attributes)
	if got["deployment.status"] != "failed" || got["relevo.generation"] != 3 ||
		testotlp.ID(failed[0].TraceId) == testotlp.ID(first[0].TraceId) ||
		!strings.Contains(failed[0].Status.Message, "exit status 3") {
		t.Errorf("trace of the failed roll: %s %v %v", names, got, failed[0].Status)
	}
	p.end()
}
