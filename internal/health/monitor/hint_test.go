package monitor

import (
	"strings"
	"testing"

	"relevo/internal/config"
)

// TestHint: an answer that speaks against the check names the setting to correct; one
// that speaks against the worker names none.
func TestHint(t *testing.T) {
	h := config.Default().Health
	h.HTTP, h.Body, h.Command = "/healthz", "ok", "./check"
	for _, c := range []struct {
		fault  string
		status int
		want   string
	}{
		{`GET /healthz: 404 "not found"`, 404, "correct health.http (/healthz), then relevo reload"},
		{"GET /healthz: 405", 405, "correct health.http (/healthz)"},
		{"GET /healthz: 401", 401, "set health.headers"},
		{"GET /healthz: 400", 400, "set health.host"},
		{"GET /healthz: 302", 302, "correct health.http or health.host"},
		{`GET /healthz: 200, but without "ok" "fine"`, 200, `correct health.body ("ok")`},
		{"GET /healthz: the answer is not HTTP/1: malformed", 0, "write health.tcp = true or health.command"},
		{`command: exit status 127: "not found"`, 0, "correct health.command (./check)"},
		{`GET /healthz: 500 "disk full"`, 500, ""},
		{"GET /healthz: 503", 503, ""},
		{"GET /healthz: connection refused", 0, ""},
		{"GET /healthz: no answer within 2s", 0, ""},
		{"command: exit status 1", 0, ""},
	} {
		got := hint(h, c.fault, c.status)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.fault, got, c.want)
		}
	}
}
