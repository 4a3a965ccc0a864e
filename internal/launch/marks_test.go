package launch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestProjectOf(t *testing.T) {
	dir := t.TempDir()
	one, two := strings.Repeat("1", 40), strings.Repeat("2", 40)
	for name, text := range map[string]string{
		"repo/.git/HEAD": "ref: refs/heads/main\n", "repo/.git/refs/heads/main": one + "\n", "repo/yarn.lock": "a",
		"repo/api/app.js": "", "repo/api/package.json": `{"version": "1.2.3"}`,
		"repo/node_modules/next/dist/bin.js": "", "repo/node_modules/next/package.json": `{"version": "9"}`,
		"packed/.git/HEAD": "ref: refs/heads/main\n", "packed/.git/packed-refs": "# pack-refs\n" + two + " refs/heads/main\n",
		"packed/app.py":              "",
		"repo/.git/worktrees/x/HEAD": "ref: refs/heads/main", "repo/.git/worktrees/x/commondir": "../..\n",
		"tree/.git": "gitdir: " + dir + "/repo/.git/worktrees/x\n", "tree/app.py": "",
		"detached/.git/HEAD": two, "detached/requirements.txt": "a", "detached/bin/app.py": "",
		"odd/.git/HEAD": "ref: ../../HEAD", "odd/app.py": "",
		"plain/src/app.js": "", "plain/package.json": "{}", "plain/package-lock.json": "a", "single/app.py": "",
		"requirements.txt": "not theirs",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const hash = " ca978112ca1bbdcafac231b3"
	for script, want := range map[string][]string{
		"repo/api/app.js":                    {"yarn.lock" + hash, "git " + one, "1.2.3 (1111111)"},
		"repo/node_modules/next/dist/bin.js": {"yarn.lock" + hash, "git " + one, "(1111111)"},
		"packed/app.py":                      {"git " + two, "(2222222)"},
		"tree/app.py":                        {"git " + one, "(1111111)"},
		"detached/bin/app.py":                {"requirements.txt" + hash, "git " + two, "(2222222)"},
		"odd/app.py":                         {""},
		"plain/src/app.js":                   {"package-lock.json" + hash, ""},
	} {
		p := projectOf(filepath.Join(dir, script))
		if got := append(p.marks(), p.describe()); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", script, got, want)
		}
	}
}
