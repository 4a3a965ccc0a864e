package cli

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/dev"
)

// TestDevArguments: how relevo dev reads its arguments, and what it runs without any.
func TestDevArguments(t *testing.T) {
	const mod, main, js = "go.mod", "main.go", "app.js"
	for _, c := range []struct {
		name    string
		files   []string
		args    string
		want    string // package | command
		listens bool
	}{
		{"a Go module", []string{mod, main}, "", ". | .", true},
		{"a Go module without Go files", []string{mod}, "", ". | .", true},
		{"a package", []string{mod}, "./cmd/shop", "./cmd/shop | ./cmd/shop", true},
		{"a package with arguments", []string{mod}, "./cmd/shop -- -v 1", "./cmd/shop | ./cmd/shop -v 1", true},
		{"a directory with Go files", []string{mod, "cmd/main.go", "cmd/package.json"}, "./cmd", "./cmd | ./cmd", true},
		{"a command", nil, "-- python3 app.py", " | python3 app.py", true},
		{"a script", []string{js}, "app.js", " | app.js", false},
		{"a script with arguments", []string{js}, "app.js -- -p", " | app.js -p", false},
		{"npm", []string{"package.json"}, "npm start -- -p", " | npm start -- -p", false},
		{"PHP", []string{"app.php"}, "app.php", " | app.php", true},
		{"the script that is there", []string{js}, "", " | app.js", false},
		{"the package that is there", []string{"package.json", js, "start.js"}, "", " | .", false},
		{"a module beside a script", []string{mod, main, js}, "", ". | .", true},
		{"a module without Go files beside a script", []string{mod, js}, "", " | app.js", false},
		{"a package of the file", []string{mod, "=dev.package ./cmd/shop"}, "", " | ./cmd/shop", true},
		{"a command of the file", []string{mod, main, "=command ./run"}, "", " | ", true},
		{"two packages", []string{mod}, "./a ./b", "cannot run", true},
		{"nothing", nil, "", "cannot tell what to run: here is no Go module, package.json or script", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := emptyPlaces(t)
			sources := config.Sources{Dir: dir, Flags: map[string][]string{}, Getenv: func(string) string { return "" }}
			var err error
			if sources.Defaults, err = devDefaults(); err != nil {
				t.Fatal(err)
			}
			for _, name := range c.files {
				text := ""
				switch {
				case name == "package.json":
					text = `{"scripts": {"start": "node start.js"}}`
				case strings.HasPrefix(name, "=dev.package "):
					sources.Defaults.Dev.Package = strings.Fields(name)[1]
					continue
				case strings.HasPrefix(name, "=command "):
					sources.Defaults.Command = strings.Fields(name)[1:]
					continue
				}
				writeFiles(t, dir, map[string]string{name: text})
			}
			args := strings.Fields(c.args)
			dash := slices.Index(args, "--")
			if dash >= 0 {
				args = slices.Delete(args, dash, dash+1)
			}
			err = useArguments(&sources, args, dash)
			got := strings.Join(sources.Flags["dev.package"], " ") + " | " + strings.Join(sources.Flags["command"], " ")
			if err != nil {
				got = err.Error()
				if control.ExitCode(err) != control.ExitUsage {
					t.Errorf("exit code %d", control.ExitCode(err))
				}
			}
			if got != c.want && (err == nil || !strings.HasPrefix(got, c.want)) {
				t.Errorf("%s, want %s", got, c.want)
			}
			if listens := len(sources.Defaults.Listen) > 0; listens != c.listens {
				t.Errorf("it listens: %t", listens)
			}
		})
	}
}

// TestDevFlags: flags that have no effect in development are refused.
func TestDevFlags(t *testing.T) {
	for args, want := range map[string]string{
		"--watch-binary -- true":     "cannot use --watch-binary in development",
		"--delve -- true":            "cannot use --delve: it builds a Go package for the debugger",
		"--name ../a -- true":        "name",
		"--log-level loud -- true":   "loud",
		"--debounce 50 -- true":      "the unit is missing",
		"--config none.toml -- true": "none.toml",
	} {
		emptyPlaces(t)
		code, out, said := command(t, append([]string{"dev"}, strings.Fields(args)...)...)
		if code != control.ExitUsage && code != control.ExitConfig || out != "" || !strings.Contains(said, want) {
			t.Errorf("%s: exit code %d: %s%s", args, code, out, said)
		}
	}
}

func TestProgramName(t *testing.T) {
	for pattern, want := range map[string]string{
		"./cmd/shop": "shop", ".": "work", "/srv/app": "app", "./main.go": "main", "example.org/cmd/web": "web",
	} {
		if got := programName(pattern, "/srv/work"); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
}

// TestWatchedScript: the directory of a script that lies elsewhere is watched, too.
func TestWatchedScript(t *testing.T) {
	app := func(dir string, command ...string) config.App { return config.App{Dir: dir, Command: command} }
	given := app("/srv", "node", "/opt/a/app.js")
	given.Dev.Watch = []string{"*.js"}
	for _, c := range []struct {
		app  config.App
		want string
	}{
		{app("/srv", "node", "app.js"), ""},
		{app("/srv", "node", "sub/app.js"), ""},
		{app("/srv", "node", "/opt/a/app.js"), "/srv/** /opt/a/**"},
		{app("/opt/b", "node", "app.js"), "/srv/** /opt/b/**"},
		{given, "*.js"},
	} {
		if got := strings.Join(watchedScript(c.app, "/srv"), " "); got != c.want {
			t.Errorf("%v: %s, want %s", c.app.Command, got, c.want)
		}
	}
}

// TestDevOptions: where dev builds, and which configuration file it watches.
func TestDevOptions(t *testing.T) {
	dir := emptyPlaces(t)
	c := &cli{getenv: os.Getenv, places: config.FindPlaces(os.Getenv, os.Geteuid(), config.UsableDir)}
	writeFiles(t, dir, map[string]string{"relevo.toml": "name = \"web\"\n"})
	file, err := config.Load("relevo.toml", dir)
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	log := slog.New(slog.DiscardHandler)
	o, err := c.devOptions(config.Sources{Dir: dir, File: file}, config.App{Name: "web"}, &said, log)
	if err != nil || o.Dir != dir || o.Name != "web" || o.ConfigFile != filepath.Join(dir, "relevo.toml") {
		t.Fatalf("%+v, %v", o, err)
	}
	if info, err := os.Stat(o.Place); err != nil || !info.IsDir() ||
		!strings.HasPrefix(o.Place, os.Getenv("RELEVO_STATE_DIR")) {
		t.Errorf("it is built in %s: %v", o.Place, err)
	}
	o.Say(dev.Note{Kind: dev.Bad, Text: "go build failed\n  main.go:1\x1b[2J"})
	o.ClearScreen()
	if got := said.String(); !strings.HasPrefix(got, "▸ go build failed\n  main.go:1") ||
		strings.Count(got, "\x1b[2J") != 1 {
		t.Errorf("it says %q", got)
	}
	if o, err := c.devOptions(config.Sources{Dir: dir}, config.App{Name: "web"}, &said, log); err != nil ||
		o.ConfigFile != "" {
		t.Errorf("without a file: %q, %v", o.ConfigFile, err)
	}
	// Other users could put a program there.
	if err := os.Chmod(o.Place, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := c.devOptions(config.Sources{Dir: dir}, config.App{Name: "web"}, &said, log); err == nil ||
		!strings.Contains(err.Error(), "RELEVO_STATE_DIR chooses another place") {
		t.Errorf("in a place that all may write to: %v", err)
	}
}

func TestNoteColors(t *testing.T) {
	c := &cli{color: true}
	for kind, want := range map[dev.NoteKind]string{
		dev.Plain: "\x1b[2m▸ \x1b[0m\x1b[2mone\x1b[0m\ntwo", dev.Good: "\x1b[32m▸ \x1b[0m\x1b[32mone\x1b[0m\ntwo",
		dev.Bad: "\x1b[31m▸ \x1b[0m\x1b[31mone\x1b[0m\ntwo",
	} {
		if got := c.noteText(dev.Note{Kind: kind, Text: "one\ntwo"}); got != want {
			t.Errorf("%d: %q, want %q", kind, got, want)
		}
	}
}

// TestQuieter: what the loop prints by itself is left out of the log, except at debug level.
func TestQuieter(t *testing.T) {
	lines := []string{"a roll that failed", "a roll that was refused", "worker died"}
	for level, want := range map[slog.Level][]string{
		slog.LevelInfo: {"worker died"}, slog.LevelDebug: append(slices.Clone(lines), "hello"),
	} {
		var out bytes.Buffer
		plain := slog.New(slog.NewTextHandler(&out, nil))
		log := quieter(plain, config.App{LogLevel: level}).With("app", "web").WithGroup("g")
		for _, outcome := range lines[:2] { // recognised by their context, whatever the message
			announce.Refused(log, outcome)
		}
		log.Warn("worker died")
		log.Info("hello")
		for _, line := range append(slices.Clone(lines), "hello") {
			if told := strings.Contains(out.String(), line); told != slices.Contains(want, line) {
				t.Errorf("%s: %q is told: %t", level, line, told)
			}
		}
		if !strings.Contains(out.String(), "app=web") {
			t.Errorf("%s: an attribute is gone: %s", level, out.String())
		}
	}
}

// TestLastOf: a variable that is set twice has its last value.
func TestLastOf(t *testing.T) {
	got := lastOf([]string{"A=1", "B=2", "A=3", "C=", "B=4"})
	if want := []string{"A=3", "C=", "B=4"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestSearchPath: relevo looks for programs where the workers will look.
func TestSearchPath(t *testing.T) {
	dir := emptyPlaces(t)
	writeFiles(t, dir, map[string]string{"bin/node": "#!/bin/sh\n", "env": "PATH=/from/file\n", "other/node": "x"})
	if err := os.Chmod(filepath.Join(dir, "other/node"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "/inherited")
	all := config.Default().EnvInherit
	for _, c := range []struct {
		app  config.App
		want string
	}{
		{config.App{EnvInherit: all}, "/inherited"},
		{config.App{EnvInherit: all, EnvFiles: []string{dir + "/env"}}, "/from/file"},
		{config.App{EnvInherit: all, EnvFiles: []string{dir + "/env"}, Env: []string{"PATH=/set"}}, "/set"},
	} {
		if got := searchPath(c.app); got != c.want {
			t.Errorf("%v %v: %s, want %s", c.app.EnvFiles, c.app.Env, got, c.want)
		}
	}
	m := newLocalMachine(config.App{Dir: dir, Env: []string{"PATH=other:bin"}})
	if got := m.Find("node"); got != filepath.Join(dir, "bin/node") {
		t.Errorf("node is found at %q", got)
	}
	for _, program := range []string{"bin/node", "nodejs"} {
		if got := m.Find(program); got != "" {
			t.Errorf("%s is found at %q", program, got)
		}
	}
}
