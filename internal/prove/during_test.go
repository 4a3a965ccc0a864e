package prove

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// TestCountsExactly: the report has exactly as many lost requests as the server has lost, and
// MaxLost decides whether that is a failure.
func TestCountsExactly(t *testing.T) {
	const losses = 7
	for _, mode := range []Connections{Fresh, KeepAlive} {
		for most, proven := range map[int]bool{losses: true, losses - 1: false} {
			s := newRawServer(t, "tcp", func(_ *rawServer, c net.Conn, n int64) bool {
				return (n%10 != 0 || n > 10*losses) && send(c, plain)
			})
			runs := 0
			r := prove(t, Options{URL: s.url(), Clients: 2, Connections: mode, MinRequests: 200, MaxLost: most,
				Command: "count", Times: 3, Every: time.Millisecond,
				During: func(context.Context) error { runs++; return nil }})
			if r.Lost() != losses || r.Total.Lost.EOF != losses || r.Proven() != proven {
				t.Errorf("%s: %d lost (%s) of %d, proven with %d: %t", mode, r.Lost(), r.Total.Lost, losses, most, r.Proven())
			}
			if arrived := s.requests.Load() - 1; arrived != r.Total.Sent {
				t.Errorf("%s: the server saw %d requests, the report has %d", mode, arrived, r.Total.Sent)
			}
			if r.During == nil || r.During.Done != runs || runs < 3 || r.During.Failed != 0 || r.During.Command != "count" {
				t.Errorf("%s: %d runs, %+v", mode, runs, r.During)
			}
		}
	}
}

// TestDuringFails: after a command has failed, the load continues and the report says so; a command
// that cannot be run ends the load.
func TestDuringFails(t *testing.T) {
	s := newRawServer(t, "tcp", func(_ *rawServer, c net.Conn, _ int64) bool { return send(c, plain) })
	o := Options{URL: s.url(), Clients: 1, Times: 2, Every: time.Millisecond, MinRequests: 1,
		During: func(context.Context) error { return errors.New("no such site") }}
	r, err := Run(t.Context(), o)
	if err != nil || r.Proven() || r.During.Failed < 2 || r.During.Done != 0 || r.During.Reasons[0] != "no such site" {
		t.Errorf("%v: %+v", err, r.During)
	}
	o.During = func(context.Context) error { return fmt.Errorf("%w %q", ErrCannotRun, "nginy") }
	if r, err = Run(t.Context(), o); !errors.Is(err, ErrCannotRun) || r.During.Failed != 1 || r.Proven() {
		t.Errorf("%v: %+v", err, r.During)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.During = func(context.Context) error { cancel(); return errors.New("interrupted, too") }
	if r, err = Run(ctx, o); !errors.Is(err, context.Canceled) || !r.CutShort || r.During.Failed != 0 || !r.Proven() {
		t.Errorf("%v: %+v", err, r.During)
	}
}

// TestWriteJUnit: each kind of connection is a case, and what fails has its reason.
func TestWriteJUnit(t *testing.T) {
	r := sampleReport()
	r.During = &Runs{Command: "nginx -s reload", Done: 3}
	var b strings.Builder
	if err := r.WriteJUnit(&b, errors.New("cannot finish <it>")); err != nil {
		t.Fatal(err)
	}
	var back junitSuites
	if err := xml.Unmarshal([]byte(b.String()), &back); err != nil {
		t.Fatal(err)
	}
	s := back.Suite
	if s.Tests != 6 || s.Failures != 2 || s.Errors != 1 || len(s.Cases) != 6 || s.Time != "61.234" {
		t.Errorf("%s", &b)
	}
	for i, want := range []string{"4 of 1,234 lost: 1 refused, 2 reset, 1 eof", "", "1 failed", "", "", ""} {
		if f := s.Cases[i].Failure; (f == nil) != (want == "") || f != nil && f.Message != want {
			t.Errorf("case %s: %+v, want %q", s.Cases[i].Name, f, want)
		}
	}
	if s.Cases[5].Error == nil || s.Cases[5].Error.Message != "cannot finish <it>" ||
		!strings.Contains(s.Output.Text, "longest gap") || !strings.Contains(s.Cases[0].Failure.Text, "connection refused") {
		t.Errorf("%s", &b)
	}
	r.MaxLost, r.Rolls = 4, nil
	b.Reset()
	if err := r.WriteJUnit(&b, nil); err != nil || !strings.Contains(b.String(), `failures="0" errors="0"`) {
		t.Errorf("%v: %s", err, &b)
	}
	r.Kills = &Kills{Failed: 2, Errors: notes{"cannot stop worker 3"}}
	b.Reset()
	if err := r.WriteJUnit(&b, nil); err != nil || r.Proven() ||
		!strings.Contains(b.String(), `message="2 failed" type="failed"><![CDATA[cannot stop worker 3`) {
		t.Errorf("no worker was killed, %v: %s", err, &b)
	}
	if r.CutShort = true; !r.Proven() {
		t.Error("a run that was cut short before its first kill has failed nothing")
	}
}
