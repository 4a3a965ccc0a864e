package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relevo/internal/control"
	"relevo/internal/serve"
)

// TestCheck: a valid file is reported in one line; an error has its place in the file, and exit
// code 6.
func TestCheck(t *testing.T) {
	work := emptyPlaces(t)
	writeFiles(t, work, map[string]string{"server": "#!/bin/sh\n", "page.txt": ""})
	for _, c := range []struct {
		name, file string
		code       int
		want       []string
	}{
		{"all is right", "name = \"web\"\ncommand = [\"./server\", \"-v\"]\nworkers = 2\nlisten = [\"127.0.0.1:8080\"]\n", 0,
			[]string{"relevo.toml: ok: web, 2 workers of ./server -v on "}},
		{"no command", "name = \"web\"\n", 0,
			[]string{"relevo.toml: ok; it has no command: relevo run -- COMMAND or relevo serve"}},
		{"no such key", "name = \"web\"\nworker = 2\ncommand = [\"./server\"]\n", 6, []string{"relevo.toml:2:1", "workers"}},
		{"no TOML", "name = \n", 6, []string{"relevo.toml:1:"}},
		{"two errors, in their order", "workers = -1\nready_timeout = \"fast\"\ncommand = [\"./server\"]\n", 6,
			[]string{"relevo.toml:1:", "relevo.toml:2:"}},
		{"no such program", "command = [\"./sever\"]\n", 6, []string{"relevo.toml:1:", "sever"}},
		{"no program", "command = [\"./page.md\"]\n", 6, []string{"relevo.toml:1:", "page.md"}},
		{"no such listener", "command = [\"./server\", \"{fd:admin}\"]\nlisten = [\"web=127.0.0.1:80\"]\n", 6,
			[]string{"relevo.toml:1:", "admin"}},
		{"no such user", "command = [\"./server\"]\n[limits]\nuser = \"nobody-of-that-name\"\n", 6,
			[]string{"relevo.toml:3:", "nobody-of-that-name"}},
		{"no such group", "command = [\"./server\"]\n[limits]\ngroup = \"none-of-that-name\"\n", 6,
			[]string{"relevo.toml:3:", "none-of-that-name"}},
		{"no such directory", "command = [\"./server\"]\ndirectory = \"/no/such\"\n", 6,
			[]string{"relevo.toml:2:", "/no/such"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			writeFiles(t, work, map[string]string{"relevo.toml": c.file})
			code, out, said := command(t, "check")
			text := out
			if c.code != 0 {
				text = said
			}
			if code != c.code || (out == "") != (c.code != 0) || (said == "") != (c.code == 0) {
				t.Errorf("exit code %d, want %d\nout: %s\nsaid: %s", code, c.code, out, said)
			}
			at := 0
			for _, want := range c.want {
				found := strings.Index(text[at:], want)
				if found < 0 {
					t.Fatalf("no %q in its place in\n%s", want, text)
				}
				at += found
			}
			code, out, said = command(t, "check", "relevo.toml", "--json")
			var told checked
			if err := json.Unmarshal([]byte(out), &told); err != nil || code != c.code || said != "" ||
				told.OK != (c.code == 0) || told.OK != (len(told.Errors) == 0) || told.File != "relevo.toml" {
				t.Errorf("in JSON: exit code %d, %v: %s%s", code, err, out, said)
			}
			for _, one := range told.Errors {
				if one.Line == 0 || one.Message == "" || strings.HasPrefix(one.Message, "relevo.toml:") {
					t.Errorf("in JSON the place is not apart: %+v", one)
				}
			}
		})
	}
	if code, _, said := command(t, "check", "none.toml"); code != control.ExitConfig ||
		!strings.Contains(said, "none.toml") {
		t.Errorf("no file: exit code %d: %s", code, said)
	}
	if code, out, _ := command(t, "check", "--schema"); code != 0 || !json.Valid([]byte(out)) ||
		!strings.Contains(out, `"workers"`) {
		t.Errorf("the schema: exit code %d: %.200s", code, out)
	}
}

// TestUnits: unit prints the units of a file, and install --dry-run the same ones with
// their places.
func TestUnits(t *testing.T) {
	work := emptyPlaces(t)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(work, "config"))
	t.Setenv("HOME", work)
	writeFiles(t, work, map[string]string{"server": "#!/bin/sh\n", "wrong.toml": "workers = -1\n",
		"relevo.toml": "name = \"web\"\ncommand = [\"" + work + "/server\"]\nlisten = [\"127.0.0.1:8080\"]\n"})
	code, service, said := command(t, "unit", "--user")
	self, _ := os.Executable()
	if code != 0 || said != "" || !strings.Contains(service, "\nExecStart="+self+" ") ||
		!strings.Contains(service, filepath.Join(work, "relevo.toml")) {
		t.Errorf("exit code %d: %s%s", code, said, service)
	}
	code, both, said := command(t, "unit", "--user", "--socket", "shop")
	if code != 0 || said != "" || !strings.HasPrefix(both, "# shop") || strings.Count(both, "\n# shop") != 1 ||
		!strings.Contains(both, "\nListenStream=127.0.0.1:8080\n") {
		t.Errorf("with sockets: exit code %d: %s%s", code, said, both)
	}
	code, out, said := command(t, "install", "--user", "--dry-run", "--now")
	place := filepath.Join(work, "config/systemd/user/web.service")
	if code != 0 || said != "" || !strings.HasPrefix(out, "would write "+place+"\n  │ ") ||
		!strings.Contains(out, "would run systemctl --user enable --now web.service\n") {
		t.Errorf("install: exit code %d: %s%s", code, out, said)
	}
	if _, err := os.Stat(place); err == nil {
		t.Error("a dry run has written the unit")
	}
	code, out, said = command(t, "install", "--web", "--user", "--dry-run", "--host", "a.example")
	if code != 0 || said != "" || !strings.HasPrefix(out, "would write "+filepath.Dir(place)+"/relevo-web.service\n") ||
		!strings.Contains(out, "ExecStart="+self+" web --listen 127.0.0.1:9615 --host a.example\n") ||
		!strings.Contains(out, "RELEVO_STATE_DIR="+os.Getenv("RELEVO_STATE_DIR")) {
		t.Errorf("install --web: exit code %d: %s%s", code, out, said)
	}
	for args, want := range map[string]struct {
		code int
		says string
	}{
		"unit -c wrong.toml":         {control.ExitConfig, "wrong.toml:1:"},
		"unit -c none.toml":          {control.ExitConfig, "none.toml"},
		"install -c wrong.toml":      {control.ExitConfig, "wrong.toml:1:"},
		"install a b":                {control.ExitUsage, "takes one NAME at most"},
		"uninstall --user --dry-run": {control.ExitFailure, "cannot uninstall web: relevo has written no unit of that name"},
		"uninstall --user shop":      {control.ExitFailure, "cannot uninstall shop"},
		"uninstall ../web --user":    {control.ExitUsage, "cannot"},
		"uninstall --web web":        {control.ExitUsage, "leave one of the two out"},
		"uninstall --web --user":     {control.ExitFailure, "cannot uninstall relevo-web"},
		"unit --web web":             {control.ExitUsage, "the page is that of all apps"},
		"install --web --socket":     {control.ExitUsage, "the page is that of all apps"},
		"install --listen :80":       {control.ExitUsage, "without --web"},
		"install --web -l 80":        {control.ExitUsage, "write HOST:PORT"},
		"unit relevo-web":            {control.ExitUsage, "that is the page of relevo web"},
		"unit --socket -c sockets":   {control.ExitConfig, "sockets"},
		"doctor -c relevo.toml -c":   {control.ExitUsage, "cannot read the flags"},
		"doctor --file relevo.toml":  {control.ExitUsage, "cannot find the flag --file"},
		"reload --forse":             {control.ExitUsage, "did you mean --force?"},
		"serve --hidden":             {control.ExitUsage, "cannot serve hidden files"},
		"serve --spa":                {control.ExitUsage, "cannot serve a single-page app: no directory"},
		"run --log-format=loud":      {control.ExitUsage, "loud"},
		"dev ./a ./b":                {control.ExitUsage, "name one package or script"},
		"dev --open=maybe":           {control.ExitUsage, "maybe"},
	} {
		code, out, said := command(t, strings.Fields(args)...)
		if code != want.code || out != "" || !strings.HasPrefix(said, "relevo: ") || !strings.Contains(said, want.says) {
			t.Errorf("%s: exit code %d, want %d: %s%s", args, code, want.code, out, said)
		}
	}
	// A unit at the place where install would have put it is found and would be removed.
	writeFiles(t, work, map[string]string{"config/systemd/user/web.service": service})
	if code, out, said := command(t, "uninstall", "--user", "--dry-run", "--now"); code != 0 || out !=
		"would remove "+place+"\nwould run systemctl --user disable --now web.service\n" {
		t.Errorf("uninstall: exit code %d: %s%s", code, out, said)
	}
}

// TestBuiltinCommand checks the command line of the built-in worker.
func TestBuiltinCommand(t *testing.T) {
	work := emptyPlaces(t)
	writeFiles(t, work, map[string]string{"public/index.html": "", "file": ""})
	self, _ := os.Executable()
	for _, c := range []struct {
		args []string
		o    serve.Options
		want string // in words, or the error
	}{
		{nil, serve.Options{}, self + " __serve --hidden=false"},
		{[]string{"public"}, serve.Options{Hidden: true}, self + " __serve --hidden=true " + work + "/public"},
		{[]string{work + "/public"}, serve.Options{}, self + " __serve --hidden=false " + work + "/public"},
		{[]string{"public"}, serve.Options{SinglePage: true}, self + " __serve --hidden=false --spa " + work + "/public"},
		{[]string{"."}, serve.Options{SinglePage: true}, "cannot serve . as a single-page app: it has no index.html; build " +
			"the app first, or name the directory of the built files"},
		{[]string{"none"}, serve.Options{}, "cannot serve none: stat " + work + "/none: no such file or directory"},
		{[]string{"file"}, serve.Options{}, "cannot serve file: it is not a directory"},
	} {
		words, err := builtinCommand(c.args, c.o, work)
		got := strings.Join(words, " ")
		if err != nil {
			got = err.Error()
		}
		if got != c.want || err != nil && control.ExitCode(err) != control.ExitUsage {
			t.Errorf("%v: %s, want %s", c.args, got, c.want)
		}
	}
}
