// Package testotlp receives traces in tests. It decodes them with OpenTelemetry's own definitions,
// so that a mistake in the encoder cannot hide in the decoder.
package testotlp

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Receiver is a collector of traces by OTLP over HTTP.
type Receiver struct {
	*httptest.Server
	t testing.TB

	mu       sync.Mutex
	answers  []int
	requests []*http.Request
	spans    []Span
}

// Span is a span with the attributes of the process that sent it.
type Span struct {
	*otlp.Span
	Resource map[string]any
}

// New starts a receiver. It answers its first requests with these answers, one each, and accepts
// all others.
func New(t testing.TB, answers ...int) *Receiver {
	r := &Receiver{t: t, answers: answers}
	r.Server = httptest.NewServer(http.HandlerFunc(r.answer))
	t.Cleanup(r.Close)
	return r
}

func (r *Receiver) answer(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, q)
	if len(r.answers) > 0 {
		answer := r.answers[0]
		r.answers = r.answers[1:]
		http.Error(w, "no room", answer)
		return
	}
	r.read(q)
}

func (r *Receiver) read(q *http.Request) {
	var body io.Reader = q.Body
	var err error
	if q.Header.Get("Content-Encoding") == "gzip" {
		body, err = gzip.NewReader(q.Body)
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(body)
	}
	var all otlp.TracesData // the same as an ExportTraceServiceRequest, whose package brings gRPC along
	if err == nil {
		err = proto.Unmarshal(text, &all)
	}
	if err != nil || q.Header.Get("Content-Type") != "application/x-protobuf" || q.Method != http.MethodPost {
		r.t.Errorf("%s %s %q: %v", q.Method, q.Header, text, err)
		return
	}
	for _, of := range all.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			for _, span := range scope.Spans {
				if len(span.TraceId) != 16 || len(span.SpanId) != 8 || len(span.ProtoReflect().GetUnknown()) > 0 {
					r.t.Errorf("a span that is wrong: %v", span)
				}
				r.spans = append(r.spans, Span{span, Values(of.Resource.Attributes)})
			}
		}
	}
}

// Received returns the spans that came since the last call.
func (r *Receiver) Received() (spans []Span, requests []*http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	spans, requests = r.spans, r.requests
	r.spans, r.requests = nil, nil
	return spans, requests
}

// Values returns attributes by their names.
func Values(attributes []*common.KeyValue) map[string]any {
	all := map[string]any{}
	for _, a := range attributes {
		switch v := a.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			all[a.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			all[a.Key] = int(v.IntValue)
		case *common.AnyValue_BoolValue:
			all[a.Key] = v.BoolValue
		}
	}
	return all
}

// ID writes an ID in hexadecimal digits.
func ID(b []byte) string { return hex.EncodeToString(b) }
