package cli

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"relevo/internal/control"
	"relevo/internal/prove"
)

// TestProveDuring: without a master, the server is loaded while the command runs.
func TestProveDuring(t *testing.T) {
	emptyPlaces(t)
	var served atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if served.Add(1)%20 == 0 && r.URL.Path == "/losing" {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	ran, junit := filepath.Join(dir, "ran"), filepath.Join(dir, "junit.xml")
	run := func(path, during string, more ...string) (code int, out, said string) {
		return command(t, append([]string{"prove", "--url", server.URL + path, "--during", during, "--clients", "1",
			"--every", "10ms", "--pause", "100us", "--min-requests", "50", "--times", "2"}, more...)...)
	}
	code, out, said := run("/", "echo ran >>"+ran, "--json", "--junit", junit)
	var report prove.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || said != "" || report.Lost() != 0 ||
		report.During == nil || report.During.Failed != 0 || report.Rolls != nil {
		t.Errorf("exit code %d, %v: %s%s", code, err, out, said)
	}
	if text, err := os.ReadFile(ran); err != nil || strings.Count(string(text), "ran\n") != report.During.Done {
		t.Errorf("%d runs, the command wrote %q, %v", report.During.Done, text, err)
	}
	text, err := os.ReadFile(junit)
	if err != nil || xml.Unmarshal(text, new(struct{})) != nil || !strings.Contains(string(text), `failures="0"`) {
		t.Errorf("%v: %s", err, text)
	}
	if code, out, _ = run("/losing", "true"); code != control.ExitFailure {
		t.Errorf("lost requests: exit code %d: %s", code, out)
	}
	code, out, _ = run("/losing", "true", "--max-lost", "1000000")
	if code != 0 || !strings.Contains(out, "; no failure up to 1,000,000\n") {
		t.Errorf("losses that may be: exit code %d: %s", code, out)
	}
	code, out, said = run("/", "echo first; echo no such site >&2; exit 3")
	if code != control.ExitFailure || !strings.Contains(out, "exit status 3: no such site\n") || said != "" {
		t.Errorf("a command that fails: exit code %d: %s%s", code, out, said)
	}
	code, _, said = run("/", "nonesuch -s reload", "--times", "1000")
	if code != control.ExitFailure ||
		!strings.Contains(said, `cannot run the command "nonesuch -s reload": exit status 127`) ||
		!strings.Contains(said, "not found: correct --during") {
		t.Errorf("no such command: exit code %d: %s", code, said)
	}
	server.Close()
	code, _, said = run("/", "true", "--junit", junit)
	text, _ = os.ReadFile(junit)
	if code != control.ExitFailure || !strings.Contains(said, "no answer to a first request") ||
		!strings.Contains(string(text), `errors="1"`) {
		t.Errorf("nobody listens: exit code %d: %s%s", code, said, text)
	}
}

// TestProveLoadAlone: a load without rolls needs no master, if it has a URL.
func TestProveLoadAlone(t *testing.T) {
	emptyPlaces(t)
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	code, out, said := command(t, "prove", "--url", server.URL, "--rolls", "0", "--duration", "50ms", "--clients", "1")
	if code != 0 || said != "" || !strings.Contains(out, "fresh") {
		t.Errorf("exit code %d: %s%s", code, out, said)
	}
	code, _, said = command(t, "prove", "--url", server.URL)
	if code != control.ExitNotRunning || !strings.Contains(said, "add --during COMMAND") ||
		!strings.Contains(said, "--rolls 0") {
		t.Errorf("a URL without a master: exit code %d: %s", code, said)
	}
	if _, _, said = command(t, "prove"); strings.Contains(said, "--during") {
		t.Errorf("neither a URL nor a master: %s", said)
	}
}

// TestProveDuringUsage: mistakes are reported before the load.
func TestProveDuringUsage(t *testing.T) {
	emptyPlaces(t)
	for args, want := range map[string]string{
		"--during true":                                    "cannot tell what to load during the command",
		"--during true --url 127.0.0.1:1":                  `cannot load "127.0.0.1:1": write http://…`,
		"web --during true --url http://127.0.0.1:1":       "cannot use --during with the app web",
		"--during true --url http://127.0.0.1:1 --kill":    "cannot use --kill with --during: no master is asked",
		"--during true --url http://127.0.0.1:1 --rolls 1": "cannot use --rolls with --during: how often the",
		"--during= --url http://127.0.0.1:1":               "cannot use an empty text as the command",
		"--during true --times 0":                          `cannot use "0": write a whole number from 1 on (flag --times)`,
		"--times 3 --url http://127.0.0.1:1":               "cannot use --times: no command is run; add --during COMMAND",
		"--every 3s --url http://127.0.0.1:1":              "cannot use --every: no command is run",
		"--http2 --websocket":                              "cannot use --http2 with --websocket",
		"--http2 --connections fresh":                      "cannot use --connections with --http2",
		"--http2 --body x":                                 "cannot use --body with --http2",
		"--websocket --method PUT":                         "cannot use --method with --websocket",
		"--websocket --expect 2":                           "cannot use --expect with --websocket",
		"--connections http2 --url http://127.0.0.1:1":     "cannot use \"http2\" as --connections: write --http2",
		"--url ws://127.0.0.1:1 --rolls 0":                 "add --websocket, or write http://",
		"--rate 0":                                         "write a whole number from 1 on",
		"--rate 5 --clients 3":                             "cannot use --clients with --rate",
		"--rate 5 --pause 1ms":                             "cannot use --pause with --rate",
		"--max-lost -1":                                    "write a whole number from 0 on",
		"--junit=":                                         "cannot use an empty text as the file",
	} {
		code, out, said := command(t, append([]string{"prove"}, strings.Fields(args)...)...)
		if code != control.ExitUsage || out != "" || !strings.Contains(said, want) {
			t.Errorf("%s: exit code %d: %s%s", args, code, out, said)
		}
	}
	code, _, said := command(t, "prove", "--url", "http://127.0.0.1:1/", "--during", "true", "--junit", "/nonesuch/j.xml")
	if code != control.ExitFailure || !strings.Contains(said, "name another file with --junit") {
		t.Errorf("exit code %d: %s", code, said)
	}
}
