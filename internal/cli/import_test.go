package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relevo/internal/control"
	"relevo/internal/testreq"
)

// TestImportedFilesPassCheck: the relevo.toml made from each kind of file passes relevo check.
func TestImportedFilesPassCheck(t *testing.T) {
	testreq.Program(t, "python3")
	for name, c := range map[string]struct {
		files map[string]string
		args  []string
		has   string // in relevo.toml
		next  string
	}{
		"ecosystem": {map[string]string{"pm2.config.json": `{"script": "./run", "name": "web"}`},
			[]string{"pm2.config.json"}, "[app.web]", "next: relevo start\n"},
		"Procfile": {map[string]string{"Procfile": "web: ./run\n"}, []string{"Procfile"}, "[app.web]", "next: relevo " +
			"start\n"},
		"gunicorn": {map[string]string{"gunicorn.conf.py": "bind = ':8000'\nworkers = 1 + 2\n", "app.py": "app = 1\n",
			".venv/bin/gunicorn": "#!/bin/sh\n"}, []string{"gunicorn.conf.py"}, "workers = 3", "next: relevo start\n"},
		"gunicorn's command line": {map[string]string{"gunicorn.conf.py": "workers = 3\n"},
			[]string{"--", "./gunicorn", "-b", ":8000", "app:app"}, "workers = 3", "next: relevo start\n"},
		"service": {map[string]string{"shop.service": "[Service]\nExecStart=/bin/sh run\nWorkingDirectory=/tmp\n"},
			[]string{"shop.service"}, "[app.shop]", "next: relevo start\n"},
		"air": {map[string]string{".air.toml": "[build]\nargs_bin = [\"-v\"]\n"}, []string{".air.toml"},
			`package = "."`, "next: relevo dev\n"},
		"air with a build of its own": {map[string]string{".air.toml": "[build]\ncmd = \"make -o tmp/main\"\n"},
			[]string{".air.toml"}, `command = ["{out}"]`, "next: relevo dev\n"},
		"air with a program elsewhere": {map[string]string{".air.toml": "[build]\ncmd = \"make\"\nbin = \"./bin/x\"\n"},
			[]string{".air.toml"}, `command = ["./bin/x"]`, "next: relevo dev\n"},
		"einhorn": {nil, []string{"--", "einhorn", "-b", "127.0.0.1:8000", "-n", "4", "./run"}, "workers = 4",
			"next: relevo start\n"},
		"start_server": {nil, []string{"--", "start_server", "--port=8000", "--", "./run"}, "SERVER_STARTER_PORT",
			"next: relevo start\n"},
	} {
		t.Run(name, func(t *testing.T) {
			work := emptyPlaces(t)
			writeFiles(t, work, map[string]string{"run": "#!/bin/sh\n", "gunicorn": "#!/bin/sh\n"})
			writeFiles(t, work, c.files)
			code, out, said := command(t, append([]string{"import"}, c.args...)...)
			if code != 0 || !strings.Contains(out, "relevo.toml: ok: ") || !strings.HasSuffix(out, c.next) {
				t.Fatalf("exit code %d: %s%s", code, out, said)
			}
			text, err := os.ReadFile(filepath.Join(work, "relevo.toml"))
			if err != nil || !strings.Contains(string(text), c.has) {
				t.Errorf("%v, want %s in\n%s", err, c.has, text)
			}
			if code, out, said := command(t, "check"); code != 0 {
				t.Errorf("check: exit code %d: %s%s", code, out, said)
			}
			imported := name == "ecosystem" || name == "Procfile" // relevo start takes them as they are
			if len(c.files) == 1 && c.args[0] != "--" && !imported {
				if code, _, said := command(t, "start", c.args[0]); code != control.ExitUsage ||
					!strings.Contains(said, "relevo import "+c.args[0]) {
					t.Errorf("start: exit code %d: %s", code, said)
				}
			}
		})
	}
}

// TestImportRefuses: bad files end with the exit code of a bad configuration, and write nothing.
func TestImportRefuses(t *testing.T) {
	testreq.Program(t, "python3")
	work := emptyPlaces(t)
	writeFiles(t, work, map[string]string{"gunicorn.conf.py": "x = 1\nraise OSError('no db')\n",
		"empty.service": "[Service]\nRestart=always\n", ".air.toml": "[build]\nbin = ''\n"})
	for want, args := range map[string][]string{
		"gunicorn.conf.py:2: OSError: no db":           {"gunicorn.conf.py"},
		"gunicorn.conf.py:2: OSError":                  {"--", "gunicorn", "app:app"},
		"empty.service: it has no command":             {"empty.service"},
		".air.toml: it has no command":                 {".air.toml"},
		"einhorn: it runs no program":                  {"--", "einhorn", "-n", "4"},
		"cannot import supervisord: the command lines": {"--", "supervisord"},
	} {
		code, _, said := command(t, append([]string{"import"}, args...)...)
		if code != control.ExitConfig || !strings.Contains(said, want) {
			t.Errorf("%q: exit code %d: %s, want %s", args, code, said, want)
		}
	}
	for _, args := range [][]string{{"import", "--"}, {"import", "x", "--", "einhorn"}, {"import", "x", "y"}} {
		if code, _, said := command(t, args...); code != control.ExitUsage {
			t.Errorf("%q: exit code %d: %s", args, code, said)
		}
	}
	if _, err := os.Stat(filepath.Join(work, "relevo.toml")); err == nil {
		t.Error("a file was written")
	}
}

// TestCheckOfDevelopment: only a program that relevo dev builds may be missing.
func TestCheckOfDevelopment(t *testing.T) {
	work := emptyPlaces(t)
	for text, want := range map[string]string{
		"command = [\"shop\", \"-v\"]\n[dev]\npackage = \"./cmd/shop\"\n": "relevo dev builds " +
			"./cmd/shop",
		"command = [\"{out}\"]\n[dev]\nbuild = \"cc -o {out} x.c\"\n": "relevo dev builds " +
			"{out}",
		"command = [\"./bin/shop\"]\n[dev]\nbuild = \"make\"\n": "./bin/shop is not " +
			"there yet",
		"command = [\"./gone\"]\n":                                                                "cannot run",
		"command = [\"gone-without-build\"]\n[dev]\nbuild = \"make\"\n":                           "cannot run",
		"command = [\"{out}\"]\nenv_files = [\"gone.env\"]\n[dev]\nbuild = \"cc -o {out} x.c\"\n": "gone.env",
	} {
		writeFiles(t, work, map[string]string{"relevo.toml": text})
		code, out, said := command(t, "check")
		if right := strings.Contains(out, want); !strings.Contains(out+said, want) || (code == 0) != right {
			t.Errorf("%s: exit code %d: %s%s, want %s", text, code, out, said, want)
		}
	}
}
