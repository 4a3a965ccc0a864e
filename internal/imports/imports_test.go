package imports_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"relevo/internal/config"
	"relevo/internal/imports"
	"relevo/internal/testreq"
)

var update = flag.Bool("update", false, "rewrite the relevo.toml of testdata")

// TestGolden: each directory of testdata has a foreign file and the relevo.toml that comes of it.
func TestGolden(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*")
	if err != nil || len(dirs) == 0 {
		t.Fatal(dirs, err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			document, form := read(t, dir)
			got, want := document.TOML(), filepath.Join(dir, config.DefaultFile)
			if *update {
				if err := os.WriteFile(want, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(text), string(got)); diff != "" {
				t.Errorf("form %v: -want +got\n%s", form, diff)
			}
			accepted(t, want, document.Names())
		})
	}
}

func read(t *testing.T, dir string) (*imports.Document, imports.Form) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
	files = append(files, hidden...)
	for _, path := range files {
		if filepath.Base(path) == config.DefaultFile || filepath.Ext(path) == ".socket" {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		form := imports.FormOf(path)
		document, err := readAs(t, form, path, data)
		if err != nil {
			t.Fatal(err)
		}
		return document, form
	}
	t.Fatal("no file in " + dir)
	return nil, 0
}

// readAs reads a file as if a few others were beside it. One that is named command holds words.
func readAs(t *testing.T, form imports.Form, path string, data []byte) (*imports.Document, error) {
	t.Helper()
	dir := filepath.Dir(path)
	exists := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil && !filepath.IsAbs(name) ||
			slices.Contains([]string{"index.ts", "bin/www", "/etc/default/shop", "dev.env"}, name)
	}
	s := imports.Source{Path: filepath.Base(path), Name: "shop", CPUs: 4, Exists: exists,
		Read:        func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(dir, name)) },
		Application: func(bool) string { return "found:app" },
		Host: imports.Host{User: "ann", UID: "1000", Home: "/home/ann", Name: "host.example",
			HomeOf: func(string) string { return "/srv/shop" }}}
	if form.Evaluated() {
		data = evaluated(t, path)
	}
	if filepath.Base(path) != "command" {
		return imports.Read(form, data, s)
	}
	words := strings.Fields(string(data))
	if file := imports.GunicornFile(words, exists); file != "" {
		return imports.ReadLine(words, evaluated(t, filepath.Join(dir, file)), s)
	}
	return imports.ReadLine(words, nil, s)
}

func evaluated(t *testing.T, path string) []byte {
	t.Helper()
	testreq.Program(t, "python3")
	value, err := imports.Evaluate(t.Context(), path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// accepted says what relevo would say of a file.
func accepted(t *testing.T, path string, names []string) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	file, err := config.Load(path, dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names, file.Apps()); diff != "" {
		t.Error(diff)
	}
	for _, profile := range append([]string{""}, file.Profiles()...) {
		for _, name := range names {
			one, err := file.Select(config.Selection{App: name, Profile: profile})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := (config.Sources{Defaults: config.Default(), File: one, Dir: dir}).Resolve(); err != nil {
				t.Errorf("%s, profile %q: %v", name, profile, err)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for _, test := range []struct{ path, text, want string }{
		{"app.js", ``, "its name tells no form"},
		{"ecosystem.config.json", `{"apps": []}`, "it has no app"},
		{"ecosystem.config.json", `"x"`, "it exports no apps"},
		{"ecosystem.config.json", `{"apps": [1]}`, "app 1 is no object"},
		{"ecosystem.config.json", `{"apps": [{"name": "x"}]}`, "app 1: script is null, and should be a script or a program"},
		{"ecosystem.config.json", `{"script": "a.js", "kill_timeout": "soon"}`, `kill_timeout is "soon"`},
		{"ecosystem.config.json", `{"script": "a.js", "max_memory_restart": "lots"}`, `max_memory_restart is "lots"`},
		{"ecosystem.config.json", `{"script": "a.js", "instances": {}}`, `instances is {}, and should be a number or max`},
		{"ecosystem.config.json", `{"script": "a.js", "env": "X=1"}`, `env is "X=1", and should be an object`},
		{"ecosystem.config.json", `{"script": "a.js", "autorestart": false}`, "a is left out: autorestart is false"},
		{"ecosystem.config.json", "{\n// c\n}", "line 2: invalid character '/'"},
		{"ecosystem.config.yml", "apps:\n  - script: : x", "yaml: line 2"},
		{"Procfile", "web: x\nnonsense", `line 2: "nonsense" is no NAME: COMMAND`},
		{"Procfile", "release: migrate", "it has no app"},
		{"package.json", `{"name": "x"}`, `it has no "pm2"`},
		{"gunicorn.py", `{"bind": "x"}`, "it does not say what is served: it has no wsgi_app"},
		{"ecosystem.config.json", `{"script": "serve", "env": {"PM2_SERVE_BASIC_AUTH": "true"}}`,
			"serve is left out: PM2_SERVE_BASIC_AUTH asks for a password"},
		{"gunicorn.conf.py", `{"bind": "x"}`, "it does not say what is served: it has no wsgi_app"},
		{"gunicorn.conf.py", `{"wsgi_app": "a:b", "workers": 0}`, "workers is \"0\", and should be a number from 1 on"},
		{"gunicorn.conf.py", `{"wsgi_app": "a:b", "workers": "x"}`, "workers is \"x\""},
		{"gunicorn.conf.py", `{"wsgi_app": "a:b", "user": "x", "bind": "fd://3"}`, `bind is "fd://3": relevo opens ` +
			`sockets`},
		{"shop.service", "[Unit]\nDescription=x", "it has no command: [Service] has no ExecStart="},
		{"shop.service", "[Service]\nExecStart=/a\nExecStart=", "it has no command"},
		{"shop.service", "[Service]\nExecStart=/a\nExecStart=/b", "it has 2 ExecStart= lines"},
		{"shop.service", "[Service]\nExecStart=/a \"b", "ExecStart: \"/a \\\"b\": a closing \" is missing"},
		{"shop.service", "[Service]\nExecStart=/a %m", "ExecStart: %m is not known without systemd"},
		{"shop.service", "[Service]\nExecStart=-", "ExecStart: it names no program"},
		{"shop.service", "[Service]\nExecStart=|a", "the prefix | is not known"},
		{"shop.service", "[Service]\nType=oneshot\nExecStart=/a", "shop is left out: Type=oneshot ends"},
		{"shop.service", "[Service]\nType=forking\nExecStart=/a", "shop is left out: Type=forking goes to the background"},
		{"shop.service", "[Service]\nExecStart=/a\nTimeoutStopSec=soon", "TimeoutStopSec: \"soon\" is no length of time"},
		{"shop.service", "[Service]\nExecStart=/a\nNice=x", "Nice: \"x\" is no number"},
		{"shop.service", "[Service]\nExecStart=/a\nRootDirectory=/x", "RootDirectory is \"/x\""},
		{"shop.service", "ExecStart=/a", "line 1: \"ExecStart=/a\" is no [SECTION]"},
		{"shop.service", "[Service]\nExecStart=/a \\\n", "line 2: it continues after the end of the file"},
		{".air.toml", "[build", "toml"},
		{".air.toml", "[build]\nbin = \"\"\n", "it has no command: build.entrypoint and build.bin are empty"},
	} {
		_, err := imports.Read(imports.FormOf(test.path), []byte(test.text), imports.Source{Path: test.path})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: %v, want %q", test.path, test.text, err, test.want)
		}
	}
}

// TestWrongValues: a value of the wrong type, or none, is left out with the reason.
func TestWrongValues(t *testing.T) {
	for _, test := range []struct {
		path, text string
		want       []string
	}{
		{".air.toml", "root = 1\nenv_files = 2\n[build]\ncmd = 3\nargs_bin = 4\nsend_interrupt = \"yes\"\n" +
			"include_ext = [[\"go\"]]\n[proxy]\nenabled = true\nproxy_port = \"x\"\n[[build.rules]]\nname = 5\n" +
			"cmd = \"make\"\ninclude_dir = [\"web\"]\n",
			[]string{"root (1): left out: it should be a text", "env_files (2): left out: it should be a text or a list",
				"build.cmd (3): left out: it should be a text; the default is used, go build -o ./tmp/main .",
				"build.args_bin (4): left out", `build.send_interrupt ("yes"): left out: it should be true or false`,
				`build.include_ext ([["go"]]): left out`, `proxy.proxy_port ("x"): left out: it should be a whole number`,
				"build.rules[0].name (5): left out"}},
		{".air.toml", "build = 1\nproxy = 2\n", []string{"build (1): left out: it should be a table", "proxy (2): left out"}},
		{"ecosystem.config.json", `{"script": "a.js", "args": null, "maxMemoryRestart": null, "env": {"A": null},
			"cwd": [], "uid": {}, "ignore_watch": 3, "wait_ready": "yes", "frobnicate": null}`,
			[]string{"args (null): left out: it has no value", "maxMemoryRestart (null): left out", "env.A (null): left out",
				"cwd ([]): left out: it should be a text or a number", "uid ({}): left out", "ignore_watch (3): left out",
				`wait_ready ("yes"): left out: it should be true or false`, "frobnicate (null): left out"}},
	} {
		d, err := imports.Read(imports.FormOf(test.path), []byte(test.text), imports.Source{Path: test.path})
		if err != nil {
			t.Errorf("%s %s: %v", test.path, test.text, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(string(d.TOML()), "\n# "+want) {
				t.Errorf("%s %s:\n%s\nlacks %q", test.path, test.text, d.TOML(), want)
			}
		}
	}
}

func TestLinesRefused(t *testing.T) {
	for line, want := range map[string]string{
		"supervisord -n": "cannot import supervisord: the command lines of einhorn, start_server and " +
			"gunicorn",
		"einhorn -n 4":                    "it runs no program",
		"einhorn -x ./app":                "the option -x is not known",
		"einhorn -n":                      "the option -n needs a value",
		"einhorn -n many ./app":           `--number is "many", and should be a number from 1 on`,
		"einhorn -b /tmp/x ./app":         `it binds "/tmp/x", which is no ADDRESS:PORT`,
		"einhorn -t soon ./app":           `--signal-timeout is "soon"`,
		"start_server --port=8000 --":     "it runs no program",
		"start_server --port=x -- ./app":  `--port is "x", and should be PORT or HOST:PORT`,
		"start_server --restart":          "relevo reload NAME does that",
		"start_server --stop":             "relevo stop NAME does that",
		"start_server --s=1 -- ./app":     "the option --s=1 is not known",
		"gunicorn --bind":                 "the option --bind needs a value",
		"gunicorn -w 2":                   "it does not say what is served",
		"/usr/bin/gunicorn -w many a:app": `workers is "many"`,
	} {
		_, err := imports.ReadLine(strings.Fields(line), nil, imports.Source{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

// TestCommentsStayComments: no text of a file gets out of its comment or its quotes.
func TestCommentsStayComments(t *testing.T) {
	text := `{"apps": {"name": "x", "script": "a.js\u0007", "args": ["\u2028\"\n\\"],
		"a\nworkers = 9\n#": 1, "env": {"A \"\nB": "\u007f", "C": "{fd}"}}}`
	document, err := imports.Read(imports.Ecosystem, []byte(text), imports.Source{Path: "pm2.config.json\nworkers = 8"})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), config.DefaultFile)
	if err := os.WriteFile(path, document.TOML(), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := config.Load(path, "/")
	if err == nil {
		err = file.Err()
	}
	if err != nil || strings.Contains(string(document.TOML()), "\nworkers = 9") {
		t.Errorf("%v\n%s", err, document.TOML())
	}
}
