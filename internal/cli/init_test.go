package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relevo/internal/control"
	"relevo/internal/testreq"
)

// TestInit: the relevo.toml written for each kind of directory passes relevo check.
func TestInit(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		needs string
		want  string // in relevo.toml
		says  string
	}{
		"package": {map[string]string{"package.json": `{"scripts":{"start":"node app.js"}}`, "app.js": ""}, "node",
			`command = ["npm", "start"]`, "a package of Node"},
		"Python": {map[string]string{"app.py": "print(1)\n", "gunicorn.conf.py": ""}, "python3", `command = ["app.py"]`,
			"relevo import gunicorn.conf.py carries its settings over"},
		"gunicorn": {map[string]string{"app.py": "app = 1\n"}, "gunicorn", `"app:app"]`, "an application for gunicorn"},
		"Go": {map[string]string{"go.mod": "module shop\n", "main.go": "package main\n"}, "go", "package = \".\"",
			"./bin/shop is not there yet"},
		"PHP":    {map[string]string{"public/index.php": ""}, "php", `directory = "public"`, "an application in PHP"},
		"script": {map[string]string{"tick.sh": "sleep 9\n"}, "sh", `command = ["tick.sh"]`, "a script"},
		"site": {map[string]string{"index.html": ""}, "sh", `command = ["relevo", "serve", "."]`,
			"__serve --hidden=false"},
	} {
		t.Run(name, func(t *testing.T) {
			testreq.Program(t, c.needs)
			work := emptyPlaces(t)
			writeFiles(t, work, c.files)
			code, out, said := command(t, "init")
			if code != 0 || !strings.Contains(out, c.says) || !strings.Contains(out, "next: relevo start") {
				t.Fatalf("exit code %d: %s%s", code, out, said)
			}
			if text := fileText(t, work); !strings.Contains(text, c.want) {
				t.Errorf("no %s in\n%s", c.want, text)
			}
			if code, out, said := command(t, "check"); code != 0 {
				t.Errorf("check: exit code %d: %s%s", code, out, said)
			}
		})
	}
}

func fileText(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "relevo.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestInitOverwritesNothing: only --force replaces a file.
func TestInitOverwritesNothing(t *testing.T) {
	work := emptyPlaces(t)
	if code, _, said := command(t, "init"); code != control.ExitConfig || !strings.Contains(said, "relevo init -- "+
		"COMMAND") {
		t.Errorf("an empty directory: exit code %d: %s", code, said)
	}
	writeFiles(t, work, map[string]string{"relevo.toml": "mine"})
	if code, _, said := command(t, "init", "--", "/bin/sh", "-c", "x"); code != control.ExitFailure ||
		!strings.Contains(said, "it is there already; --force overwrites it") || fileText(t, work) != "mine" {
		t.Errorf("exit code %d: %s%s", code, said, fileText(t, work))
	}
	if code, out, said := command(t, "init", "--force", "--", "/bin/sh", "-c", "x\"<\a"); code != 0 ||
		!strings.Contains(fileText(t, work), `command = ["/bin/sh", "-c", "x\"<\u0007"]`) {
		t.Errorf("exit code %d: %s%s%s", code, out, said, fileText(t, work))
	}
	for _, args := range [][]string{{"init", "./server"}, {"init", "--"}, {"init", "x", "--", "y"}} {
		if code, _, said := command(t, args...); code != control.ExitUsage {
			t.Errorf("%q: exit code %d: %s", args, code, said)
		}
	}
}

// TestServeAsCommand: relevo serve as the command of an app is the built-in worker.
func TestServeAsCommand(t *testing.T) {
	work := emptyPlaces(t)
	writeFiles(t, work, map[string]string{"dist/index.html": "", "empty/x": ""})
	for text, want := range map[string]string{
		"command = [\"relevo\", \"serve\", \"--spa\", \"dist\"]\nlisten = [\":8080\"]\n": " __serve --hidden=false --spa " +
			filepath.Join(work, "dist"),
		"command = [\"relevo\", \"serve\", \"dist\"]\n":                                   "it has no address",
		"command = [\"relevo\", \"serve\", \"gone\"]\nlisten = [\":8080\"]\n":             "cannot serve gone",
		"command = [\"relevo\", \"serve\", \"--spa\", \"empty\"]\nlisten = [\":8080\"]\n": "it has no index.html",
		"command = [\"relevo\", \"serve\", \"-n\", \"4\", \"dist\"]\nlisten = [\":8080\"]\n": "--hidden and --spa are its " +
			"own here",
		"command = [\"relevo\", \"serve\", \"dist\", \"dist\"]\nlisten = [\":8080\"]\n": "it takes one directory",
	} {
		writeFiles(t, work, map[string]string{"relevo.toml": text})
		code, out, said := command(t, "check")
		if right := strings.Contains(out, want); !strings.Contains(out+said, want) || (code == 0) != right {
			t.Errorf("%s: exit code %d: %s%s, want %s", text, code, out, said, want)
		}
	}
}
