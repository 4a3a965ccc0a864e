package config

import (
	"strconv"
	"strings"
	"testing"
)

const severalApps = `workers = 2
listen = [":1"]
env.A = "all"

[env]
B = "all"

[app.web]
command = ["./web"]
[[app.web.listener]]
address = ":2"
[app.web.env]
B = "web"
[app.web.profile.production]
workers = 9

[app.jobs]
name = "night"
command = ["./jobs"]
listen = []

[profile.production]
canary = "5s"
env = { A = "production" }
`

// TestSelect: an app of a file has its own settings over those for all, and those of a
// profile over both.
func TestSelect(t *testing.T) {
	text := strings.Replace(severalApps, "env.A = \"all\"\n\n[env]\n", "[env]\nA = \"all\"\n", 1)
	for _, test := range []struct {
		Selection
		want string
	}{
		{Selection{App: "web"}, "web 2 [./web] [listen=:2] [A=all B=web] 1s"},
		{Selection{App: "web", Profile: "production"}, "web 9 [./web] [listen=:2] [A=production B=web] 5s"},
		{Selection{App: "jobs"}, "night 2 [./jobs] [] [A=all B=all] 1s"},
		{Selection{App: "jobs", Profile: "production"}, "night 2 [./jobs] [] [A=production B=all] 5s"},
	} {
		file, err := parse("relevo.toml", "/srv", []byte(text)).Select(test.Selection)
		if err != nil {
			t.Fatal(err)
		}
		app, err := Sources{Defaults: Default(), File: file, Dir: "/home"}.Resolve()
		if err != nil {
			t.Errorf("%v: %v", test.Selection, err)
		}
		if got := selectedText(app); got != test.want {
			t.Errorf("%v: %s, want %s", test.Selection, got, test.want)
		}
	}
}

// TestSelectInline: apps and profiles may be written as keys and inline tables.
func TestSelectInline(t *testing.T) {
	for _, text := range []string{
		"app.web.command = ['./web']\napp.web.workers = 3",
		"app.web = { command = ['./web'], workers = 3 }",
		"app = { web = { command = ['./web'], workers = 3 } }",
		"workers = 1\nprofile.a = { workers = 3 }\napp.web = { command = ['./web'], profile = { a = { canary = '1s' } } }",
	} {
		file := parse("relevo.toml", "/srv", []byte(text))
		selection := Selection{}
		if len(file.Profiles()) > 0 {
			selection.Profile = "a"
		}
		file, err := file.Select(selection)
		if err != nil {
			t.Fatal(err)
		}
		app, err := Sources{Defaults: Default(), File: file, Dir: "/home"}.Resolve()
		if got, want := selectedText(app), "web 3 [./web] [] [] 1s"; got != want || err != nil {
			t.Errorf("%s: %s, %v, want %s", text, got, err, want)
		}
	}
}

// TestEmptyParts: an app or a profile without settings of its own is one, however it is written.
func TestEmptyParts(t *testing.T) {
	const above = "command = ['./x']\nworkers = 3\n"
	for _, text := range []string{
		"[app.a]\n[app.b]\n[app.b.profile.p]\n[profile.q]",
		"[app]\na = {}\nb = { profile = { p = {} } }\n[profile]\nq = {}",
		"app.a = {}\napp.b.profile.p = {}\nprofile.q = {}",
		"app = { a = {}, b = { profile.p = {} } }\nprofile = { q = {} }",
	} {
		file := parse("relevo.toml", "/srv", []byte(above+text))
		if got := list(file.Apps()) + list(file.Profiles()); got != "[a b][p q]" {
			t.Errorf("%q has %s", text, got)
		}
		selected, err := file.Select(Selection{App: "a", Profile: "q"})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		app, err := Sources{Defaults: Default(), File: selected, Dir: "/home"}.Resolve()
		if app.Name != "a" || app.Workers != 3 || err != nil {
			t.Errorf("%q: %s, %v", text, selectedText(app), err)
		}
	}
}

func selectedText(app App) string {
	var listen []string
	for _, l := range app.Listen {
		listen = append(listen, l.text())
	}
	words := []string{app.Name, strconv.Itoa(app.Workers), list(app.Command), list(listen), list(app.Env)}
	return strings.Join(append(words, DurationText(app.Canary)), " ")
}

func list(words []string) string { return "[" + strings.Join(words, " ") + "]" }

// TestSelectWrong: what cannot be meant is said with what could be.
func TestSelectWrong(t *testing.T) {
	const two = "[app.web]\ncommand = ['w']\n[app.jobs]\ncommand = ['j']\n"
	for _, test := range []struct {
		text string
		Selection
		want string
	}{
		{two, Selection{}, "cannot tell which app of relevo.toml is meant: it has web and jobs"},
		{two, Selection{App: "db"}, `cannot find the app "db" in relevo.toml: it has web and jobs`},
		{"command = ['w']", Selection{App: "db"}, "the file is one app itself"},
		{two, Selection{App: "web", Profile: "p"}, "it has none; write [profile.p]"},
		{two + "[profile.q]", Selection{App: "web", Profile: "p"}, "it has q"},
		{"name = 'x'\n" + two, Selection{App: "web"}, "1:1: cannot give several apps one name"},
		{"command = ['x']\n[app]\nweb = 3", Selection{},
			"3:1: cannot use app.web here: an app's settings stand below [app.NAME]"},
		{"command = ['x']\nprofile = 3", Selection{}, "2:1: cannot use profile here"},
		{"[[app.web]]\ncommand = ['x']", Selection{}, "1:3: cannot use app.web like this: write [app.web]"},
		{"[app.'']\ncommand = ['x']", Selection{}, "1:2: cannot take an empty name: write [app.NAME]"},
		{two + "[app.web.profile.'']", Selection{App: "web"},
			"5:2: cannot take an empty name: write [app.web.profile.NAME]"},
		{two + "[app.web.nosuch]\n", Selection{App: "web"}, "cannot find the table nosuch"},
		{two + "[app.jobs.nosuch]\n", Selection{App: "web"}, ""},
		{two + "[app.web.profile.p]\nnosuch = 1\n", Selection{App: "web", Profile: "p"},
			"6:1: cannot find the setting nosuch"},
		{two + "[profile.p.app.web]\nworkers = 1\n", Selection{App: "web", Profile: "p"}, "cannot find the table app.web"},
	} {
		file, err := parse("relevo.toml", "/srv", []byte(test.text)).Select(test.Selection)
		if err == nil {
			_, err = Sources{Defaults: Default(), File: file, Dir: "/home"}.Resolve()
		}
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%q %v: %v, want %q", test.text, test.Selection, err, test.want)
		}
	}
}
