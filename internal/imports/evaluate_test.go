package imports_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"relevo/internal/imports"
	"relevo/internal/testreq"
)

func TestEvaluate(t *testing.T) {
	t.Parallel()
	testreq.Program(t, "node")
	testreq.Program(t, "python3")
	for _, test := range []struct{ name, text, want, wrong string }{
		{"a.config.js", "console.log('x'); setInterval(() => 0, 1000); module.exports = { a: process.argv.length > 0 }",
			`{"a":true}`, ""},
		{"a.config.mjs", "export default { a: 1 }", `{"a":1}`, ""},
		{"a.config.js", "1\n\nthrow new Error('no db')", "", "a.config.js:3: Error: no db"},
		{"a.config.js", "module.exports = {\n apps: [}", "", "a.config.js:2: SyntaxError"},
		{"a.config.js", "module.exports = () => ({ apps: [] })", "", "a.config.js: it exports no data; an ecosystem file"},
		{"a.config.js", "process.exit(0)", "", "ends Node before it has a value"},
		{"a.config.js", "process.exit(7)", "", "it ended Node: exit status 7"},
		{"a.config.js", "module.exports = 'x'.repeat(9 << 20)", "", "more than 8 MiB"},
		{"gunicorn.conf.py", "import os\nprint('x')\nbind = ('a', 'b')\nworkers = 2 * 2\n_x = 1\n" +
			"def post_fork(a, b): pass\nlogconfig_dict = {}\n",
			`{"bind": ["a", "b"], "workers": 4, "post_fork": {"is": "code"}, "logconfig_dict": {"is": "dict"}}`, ""},
		{"gunicorn.conf.py", "import threading\nthreading.Thread(target=threading.Event().wait).start()\nbind = 'x'",
			`{"bind": "x"}`, ""},
		{"gunicorn.conf.py", "x = 1\n\nraise OSError('no db')", "", "gunicorn.conf.py:3: OSError: no db"},
		{"gunicorn.conf.py", "x = 1\nbind = [\n", "", "gunicorn.conf.py:2: SyntaxError"},
		{"gunicorn.conf.py", "import sys\nsys.exit(3)", "", "gunicorn.conf.py:2: SystemExit: 3"},
		{"gunicorn.conf.py", "import os\nos._exit(7)", "", "it ended Python: exit status 7"},
		{"gunicorn.conf.py", "bind = 'x' * (9 << 20)", "", "more than 8 MiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), test.name)
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			value, err := imports.Evaluate(t.Context(), path, time.Minute)
			if string(value) != test.want || (err == nil) != (test.wrong == "") ||
				err != nil && !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%s: %s, %v", test.text, value, err)
			}
		})
	}
}

func TestEvaluateEndsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	testreq.Program(t, "node")
	testreq.Program(t, "python3")
	for name, text := range map[string]string{
		"a.config.js": "require('child_process').spawn('sleep', ['600'], { stdio: 'inherit' }); for (;;);",
		"gunicorn.conf.py": "import subprocess\nsubprocess.Popen(['sleep', '600'], pass_fds=(3,))\n" +
			"while True: pass",
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := imports.Evaluate(t.Context(), path, 500*time.Millisecond)
		if err == nil || !strings.Contains(err.Error(), "it did not end within 500ms") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestGunicornKnowsItsOptions: the table of options is that of gunicorn.
func TestGunicornKnowsItsOptions(t *testing.T) {
	testreq.Program(t, "gunicorn")
	help, err := exec.CommandContext(t.Context(), "gunicorn", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(help), "\n") {
		found := regexp.MustCompile(`^  (?:(-\w)(?: [A-Z_]+)?, )?(--[a-z_-]+)( [A-Z_]+)?`).FindStringSubmatch(line)
		if found == nil || found[2] == "--help" || found[2] == "--version" {
			continue
		}
		words := []string{"gunicorn", found[2]}
		if found[3] != "" {
			words = append(words, "1")
		}
		d, err := imports.ReadLine(append(words, "--workers", "3", "shop:app"), nil, imports.Source{})
		if err != nil || !strings.Contains(string(d.TOML()), "workers = 3") && found[2] != "--workers" {
			t.Errorf("%s: %v", line, err)
		}
	}
}
