package apps

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// here is a directory with files, programs and apps.
func here(file bool, apps ...string) View {
	exists := []string{"app.js", "web", "dir", "./dir", "tool", "./tool"}
	return View{
		Defined: []string{"web", "jobs", "web-2"}, File: file, Apps: apps,
		Runnable: func(word string) bool { return slices.Contains([]string{"app.js", "npm", "dir"}, word) },
		Program:  func(word string) bool { return word == "node" },
		Exists:   func(path string) bool { return slices.Contains(exists, path) },
	}
}

// TestMean: what is meant by "relevo start X".
func TestMean(t *testing.T) {
	for _, test := range []struct {
		view  View
		words string
		want  string
	}{
		{here(false), "app.js", "command [app.js]"},
		{here(false), "app.js -- --port 1", "command [app.js --port 1]"},
		{here(false), "app.js -- dir", "command [app.js dir]"},
		{here(false), "app.js dir", "cannot start app.js and dir with one command: start each by itself"},
		{here(false), "app.js tool", "command [app.js tool]"},
		{here(false), "-- ./server -v", "command [./server -v]"},
		{here(false), "-- web", "command [web]"},
		{here(false), "npm start", "command [npm start]"},
		{here(false), "node server.mjs", "command [node server.mjs]"},
		{here(false), "dir", "command [dir]"},
		{here(false), "./dir", "command [./dir]"},
		{here(false), "tool x", "command [./tool x]"},
		{here(false), "web", " known [web]"},
		{here(false), "web jobs", " known [web jobs]"},
		{here(false), "web*", " known [web web-2]"},
		{here(false), "jobs * jobs", " known [jobs web web-2]"},
		{here(false), "all", " known [web jobs web-2]"},
		{here(false), "--all", " known [web jobs web-2]"},
		{here(false), "web -- x", "command [./web x]"},
		{here(true), "", "file's"},
		{here(true, "api", "web"), "", "own [api web]"},
		{here(true, "api", "web"), "web", "own [web]"},
		{here(true, "api", "web"), "a*", "own [api]"},
		{here(true, "api", "web"), "jobs", " known [jobs]"},
		{here(true, "api"), "api jobs", "own [api] known [jobs]"},
		{here(true, "api", "web"), "*", "own [api web] known [jobs web-2]"},
		{here(true, "api"), "all", " known [web jobs web-2]"},
		{here(false), "x/relevo.toml api", "x/relevo.toml [api]"},
		{View{File: true, Apps: []string{"api"}}, "all", "own [api]"},
		{here(false), "", "cannot start: there is no relevo.toml here"},
		{here(false), "--", "no command follows the --"},
		{here(false), "--all web", "leave one out"},
		{here(false), "wbe", "cannot start wbe: it is no app, no script and no program; did you mean web?"},
		{here(false), "web xyzzy", "cannot start xyzzy: it is no app"},
		{here(false), "./nosuch", "cannot start ./nosuch: there is no such file"},
		{here(true, "api"), "api xyzzy", "cannot start xyzzy: it is no app"},
		{View{}, "all", "none is remembered"},
	} {
		m, err := test.view.Mean(wordsOf(test.words))
		if got := meaningText(m, err); !strings.Contains(got, test.want) {
			t.Errorf("relevo start %s: %s, want %s", test.words, got, test.want)
		}
	}
}

func wordsOf(line string) Words {
	w := Words{Dash: -1}
	for _, word := range strings.Fields(line) {
		switch {
		case word == "--all":
			w.All = true
		case word == "--" && w.Dash < 0:
			w.Dash = len(w.Args)
		default:
			w.Args = append(w.Args, word)
		}
	}
	return w
}

func meaningText(m Meaning, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case m.File != "":
		return fmt.Sprint(m.File, " ", m.Words.Args)
	case m.Command != nil:
		return fmt.Sprint("command ", m.Command)
	case m.Own == nil && m.Known == nil:
		return "file's"
	}
	return fmt.Sprint("own ", m.Own, " known ", m.Known)
}
