package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relevo/internal/control"
)

// TestImport: a Procfile becomes a relevo.toml, and nothing is overwritten.
func TestImport(t *testing.T) {
	work := emptyPlaces(t)
	writeFiles(t, work, map[string]string{
		"Procfile": "web: ./serve --port $PORT\nrelease: ./migrate\n", "serve": "#!/bin/sh\n", "notes.txt": ""})
	code, out, said := command(t, "import", "Procfile")
	if code != 0 || !strings.Contains(out, "relevo.toml written from") || !strings.Contains(out, "next: relevo start") {
		t.Fatalf("exit code %d: %s%s", code, out, said)
	}
	written, err := os.ReadFile(filepath.Join(work, "relevo.toml"))
	if err != nil || !strings.Contains(string(written), "[app.web]") || !strings.Contains(string(written), "./migrate") {
		t.Errorf("%v, written:\n%s", err, written)
	}
	if _, out, _ := command(t, "import", "Procfile", "--output", "-"); out != string(written) {
		t.Errorf("printed:\n%s", out)
	}
	for want, args := range map[string][]string{
		"it is there already":     {"import", "Procfile"},
		"cannot import":           {"import"},
		"cannot import gone.json": {"import", "gone.json"},
		"notes.txt":               {"import", "notes.txt"},
		"nosuch of Procfile":      {"start", "Procfile", "nosuch"},
	} {
		if code, out, said := command(t, args...); code == 0 || !strings.Contains(said, want) {
			t.Errorf("%q: exit code %d: %s%s", args, code, out, said)
		}
	}
	if now, _ := os.ReadFile(filepath.Join(work, "relevo.toml")); string(now) != string(written) {
		t.Errorf("the file has changed:\n%s", now)
	}
}

// TestLogs: the flags choose which lines of the log files are shown.
func TestLogs(t *testing.T) {
	emptyPlaces(t)
	writeFiles(t, os.Getenv("RELEVO_STATE_DIR"), map[string]string{
		"web/log/000001.log": "2026-11-26T09:16:39.123456Z 0 g3 12345 out GET /\n" +
			"2026-11-26T09:16:40.130211Z 1 g3 12346 err no cache\n",
		"jobs/log/000001.log": "2026-11-26T09:16:39.500000Z 0 g1 222 out done\n",
	})
	for _, test := range []struct {
		args []string
		want []string // in this order
		not  string
	}{
		{[]string{"logs", "web"}, []string{"GET /", "no cache"}, "done"},
		{[]string{"logs", "all"}, []string{"GET /", "done", "no cache"}, ""},
		{[]string{"logs", "w*", "--err"}, []string{"no cache"}, "GET"},
		{[]string{"logs", "web", "--out"}, []string{"GET /"}, "cache"},
		{[]string{"logs", "web", "-n", "1"}, []string{"no cache"}, "GET"},
		{[]string{"logs", "web", "--grep", "^GET"}, []string{"GET /"}, "cache"},
		{[]string{"logs", "web", "--since", "1ms"}, nil, "GET"},
		{[]string{"logs", "web", "-t"}, []string{"09:16:39", "GET /"}, ""},
		{[]string{"logs", "web", "--json", "--out"}, []string{`"slot":0`, `"stream":"out"`, `"line":"GET /"`}, "cache"},
	} {
		code, out, said := command(t, test.args...)
		if code != 0 || test.not != "" && strings.Contains(out, test.not) {
			t.Errorf("%q: exit code %d: %s%s", test.args, code, out, said)
		}
		rest := out
		for _, want := range test.want {
			_, after, found := strings.Cut(rest, want)
			if !found {
				t.Errorf("%q shows not %q in its place:\n%s", test.args, want, out)
			}
			rest = after
		}
	}
	if code, _, said := command(t, "logs", "web", "--grep", "("); code != control.ExitUsage ||
		!strings.Contains(said, `cannot read "(" as a regular expression`) {
		t.Errorf("a broken expression: exit code %d: %s", code, said)
	}
	for _, word := range []string{"logs", "flush"} {
		if code, _, said := command(t, word, "jbos"); code != control.ExitNotRunning ||
			!strings.Contains(said, "cannot find an app jbos: there are jobs, web; did you mean jobs?") {
			t.Errorf("%s of an app that is not there: exit code %d: %s", word, code, said)
		}
	}
	writeFiles(t, os.Getenv("RELEVO_STATE_DIR"), map[string]string{"plain/state.json": "{}"})
	if code, _, said := command(t, "logs", "plain"); code != control.ExitFailure || !strings.Contains(said, "files") {
		t.Errorf("an app without log files: exit code %d: %s", code, said)
	}
	if code, out, said := command(t, "flush", "web"); code != 0 {
		t.Errorf("flush: exit code %d: %s%s", code, out, said)
	}
	if _, out, _ := command(t, "logs", "web"); strings.Contains(out, "GET") {
		t.Errorf("after flush:\n%s", out)
	}
}
