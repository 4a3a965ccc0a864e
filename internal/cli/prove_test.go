package cli

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"relevo/internal/control"
	"relevo/internal/prove"
	"relevo/pool"
	"relevo/pool/machine"
)

// TestProve: the load goes to the app's listener and the rolls to its master; losses decide the
// exit code.
func TestProve(t *testing.T) {
	emptyPlaces(t)
	var fails atomic.Bool
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if fails.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer app.Close()
	address := strings.TrimPrefix(app.URL, "http://")
	m := &standIn{result: rolledWell(), status: control.Status{Name: "web",
		Listeners: []control.Listener{{Name: "http", Address: address}},
		Status: pool.Status{Workers: []pool.Worker{{ID: "1", PID: 1 << 30, Generation: 1, State: string(machine.Serving)},
			{Slot: 1, State: "backoff"}}}}}
	m.serve(t, "web")
	run := func(args ...string) (code int, out, said string) {
		return command(t, append([]string{"prove", "--clients", "1"}, args...)...)
	}
	code, out, said := run("--rolls", "2", "--json")
	var report prove.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || said != "" || report.Total.Sent == 0 ||
		report.Lost() != 0 || report.Rolls == nil || report.Rolls.Done != 2 {
		t.Errorf("exit code %d, %v: %s%s", code, err, out, said)
	}
	if asked := m.wasAsked(); asked != "reload {}; reload {}" {
		t.Errorf("two rolls ask %s", asked)
	}
	m.result.Result, m.result.Reason = machine.RolledBack, "it has no database"
	code, out, said = run("--rolls", "1", "--connections", "fresh")
	if code != control.ExitFailure || !strings.Contains(said, "roll failed: it has no database\n") ||
		!strings.Contains(out, "no database") {
		t.Errorf("a failed roll: exit code %d: %s%s", code, out, said)
	}
	m.wasAsked()
	code, out, _ = run("--rolls", "0", "--duration", "50ms", "--expect", "4")
	if asked := m.wasAsked(); code != control.ExitFailure || !strings.Contains(out, "lost") || asked != "" {
		t.Errorf("answers that are not expected: exit code %d, asks %q: %s", code, asked, out)
	}
	m.refuses = errors.New("cannot signal")
	code, _, said = run("--kill", "--kill-every", "1ms", "--duration", "50ms")
	if asked := m.wasAsked(); !strings.HasPrefix(asked, "signal 9 to worker 1") || code != control.ExitFailure {
		t.Errorf("kills ask %s, exit code %d: %s", asked, code, said)
	}
	m.refuses, m.result = nil, rolledWell()
	fails.Store(true)
	if code, out, said := run("--rolls", "1"); code != control.ExitFailure || !strings.Contains(out, "500") {
		t.Errorf("an app that fails: exit code %d: %s%s", code, out, said)
	}
}

// TestProveUsage: mistakes on the command line are reported before anything is sent.
func TestProveUsage(t *testing.T) {
	emptyPlaces(t)
	m := &standIn{status: control.Status{Name: "web"}}
	m.serve(t, "web")
	for args, want := range map[string]string{
		"":                                 "cannot guess what to load: the app has no listener; give --url",
		"--url ftp://127.0.0.1":            `cannot load "ftp://127.0.0.1": write http://…, https://… or unix:/SOCKET:/PATH`,
		"--url=":                           "cannot use an empty text as the URL",
		"--rolls -1":                       "cannot roll -1 times",
		"--kill-every 1s":                  "cannot use --kill-every: no worker is killed",
		"--duration 0s --rolls 0":          "cannot load for 0s",
		"--clients 0":                      `cannot use "0": write a whole number from 1 on (flag --clients)`,
		"--min-requests -1":                `cannot use "-1": write a whole number from 0 on (flag --min-requests)`,
		"--connections some":               `cannot use "some" as --connections: write fresh, keepalive or both`,
		"--expect 200":                     `cannot use "200": write the first digit of the status, 2 to 5 (flag --expect)`,
		"--timeout 0s":                     "cannot use 0s: write a time above 0",
		"-H nonsense":                      `cannot use "nonsense" as a header: write "Name: value"`,
		"-H :value":                        `cannot use ":value" as a header`,
		"--duration 5":                     "the unit is missing",
		"web shop":                         "takes one NAME at most",
		"--url http://127.0.0.1:1 -H a:b,": "cannot",
	} {
		code, out, said := command(t, append([]string{"prove", "--timeout", "1s"}, strings.Fields(args)...)...)
		usage := code == control.ExitUsage || strings.HasPrefix(args, "--url http:") // which refuses
		if !usage || code == 0 || out != "" || !strings.Contains(said, want) {
			t.Errorf("%s: exit code %d: %s%s", args, code, out, said)
		}
	}
	if asked := m.wasAsked(); asked != "" {
		t.Errorf("the master was asked %s", asked)
	}
}

// TestGuessURL: the default URL is the first listener that can be loaded.
func TestGuessURL(t *testing.T) {
	emptyPlaces(t)
	m := &standIn{}
	m.serve(t, "web")
	c := &cli{getenv: func(string) string { return "" }}
	client, err := control.Connect(t.Context(), controlSocket("web"))
	if err != nil {
		t.Fatal(err)
	}
	for addresses, want := range map[string]string{
		"0.0.0.0:80":                "http://127.0.0.1/",
		"[::]:8080":                 "http://127.0.0.1:8080/",
		"/run/web.sock 127.0.0.1:1": "unix:/run/web.sock",
		"@web":                      "unix:@web",
		"vsock 192.0.2.1:81":        "http://192.0.2.1:81/",
	} {
		m.status.Listeners = nil
		for address := range strings.FieldsSeq(addresses) {
			m.status.Listeners = append(m.status.Listeners, control.Listener{Address: address})
		}
		if got, err := c.guessURL(t.Context(), client); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", addresses, got, err, want)
		}
	}
}

func TestParseHeaders(t *testing.T) {
	headers, err := parseHeaders([]string{"Host: shop", "X-A:1", "x-a : 2:3"})
	if err != nil || headers.Get("Host") != "shop" || strings.Join(headers["X-A"], ",") != "1,2:3" {
		t.Errorf("%v, %v", headers, err)
	}
}

// TestLeftSince: without departures there is no line about connections.
func TestLeftSince(t *testing.T) {
	before := pool.Connections{Finished: 2, Cut: 1}
	if left := leftSince(before, before); left != nil {
		t.Errorf("%+v", left)
	}
	after := before.Plus(pool.Connections{Finished: 3})
	if left := leftSince(before, after); left == nil || left.Finished != 3 || left.Cut != 0 ||
		left.Text != "3 finished, 0 rescued, 0 cut" {
		t.Errorf("%+v", left)
	}
}
