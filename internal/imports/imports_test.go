package imports_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"relevo/internal/config"
	"relevo/internal/imports"
	"relevo/internal/testreq"
)

var update = flag.Bool("update", false, "write the relevo.toml of testdata anew")

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
	for _, path := range files {
		if filepath.Base(path) == config.DefaultFile {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		form := imports.FormOf(path)
		s := imports.Source{Path: filepath.Base(path), Name: "shop", CPUs: 4,
			Exists: func(name string) bool { return name == "index.ts" || name == "bin/www" }}
		document, err := imports.Read(form, data, s)
		if err != nil {
			t.Fatal(err)
		}
		return document, form
	}
	t.Fatal("no file in " + dir)
	return nil, 0
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
	} {
		_, err := imports.Read(imports.FormOf(test.path), []byte(test.text), imports.Source{Path: test.path})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: %v, want %q", test.path, test.text, err, test.want)
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

func TestEvaluate(t *testing.T) {
	testreq.Program(t, "node")
	for _, test := range []struct{ name, text, want, wrong string }{
		{"a.config.js", "console.log('x'); setInterval(() => 0, 1000); module.exports = { a: process.argv.length > 0 }",
			`{"a":true}`, ""},
		{"a.config.mjs", "export default { a: 1 }", `{"a":1}`, ""},
		{"a.config.js", "1\n\nthrow new Error('no db')", "", "a.config.js:3: Error: no db"},
		{"a.config.js", "module.exports = {\n apps: [}", "", "a.config.js:2: SyntaxError"},
		{"a.config.js", "process.exit(0)", "", "ends Node before it has a value"},
		{"a.config.js", "process.exit(7)", "", "it ended Node: exit status 7"},
		{"a.config.js", "module.exports = 'x'.repeat(9 << 20)", "", "more than 8 MiB"},
	} {
		path := filepath.Join(t.TempDir(), test.name)
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		value, err := imports.Evaluate(t.Context(), path, time.Minute)
		if string(value) != test.want || (err == nil) != (test.wrong == "") ||
			err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%s: %s, %v", test.text, value, err)
		}
	}
}

func TestEvaluateEndsWhatDoesNotEnd(t *testing.T) {
	testreq.Program(t, "node")
	path := filepath.Join(t.TempDir(), "a.config.js")
	text := "require('child_process').spawn('sleep', ['600'], { stdio: 'inherit' }); for (;;);"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := imports.Evaluate(t.Context(), path, 500*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "it did not end within 500ms") {
		t.Error(err)
	}
}
