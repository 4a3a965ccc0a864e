package dev

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"relevo/watch"
)

// write makes the files of a module.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGoSet: the files of a workspace that belong to a program, as the real go command lists them.
func TestGoSet(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{
		"go.work": "go 1.26\nuse ./app\nuse ./other\n",
		"app/go.mod": "module example.org/app\ngo 1.26\nrequire example.org/lib v1.0.0\n" +
			"replace example.org/lib => ../lib\n",
		"app/cmd/srv/main.go": "package main\nimport (\n\"embed\"\n_ \"example.org/app/store\"\n" +
			"_ \"example.org/lib\"\n_ \"example.org/other\"\n_ \"example.org/app/planned\"\n)\n" +
			"//go:embed page.html static all:raw tpl/*.tpl\nvar files embed.FS\nfunc main() {}\n",
		"app/cmd/srv/page.html":    "x",
		"app/cmd/srv/static/a/b.x": "x",
		"app/cmd/srv/raw/.x":       "x",
		"app/cmd/srv/tpl/a.tpl":    "x",
		"app/store/store.go":       "package store\n",
		"app/unused/unused.go":     "package unused\n",
		"lib/go.mod":               "module example.org/lib\ngo 1.26\n",
		"lib/lib.go":               "package lib\n",
		"other/go.mod":             "module example.org/other\ngo 1.26\n",
		"other/other.go":           "package other\n",
	})
	packages, work, err := listGo(t.Context(), filepath.Join(dir, "app"), "./cmd/srv")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := program(packages, "./cmd/srv"); err != nil || p.Name != "main" {
		t.Errorf("%+v %v", p, err)
	}
	exact, not := goSet(packages, work)
	m := watch.NewMatcher(watch.Set{Exact: exact, Not: not})
	got := map[string]bool{}
	want := map[string]bool{}
	for name, matters := range map[string]bool{
		"app/cmd/srv/main.go": true, "app/cmd/srv/new.go": true, "app/cmd/srv/x.s": true, "app/cmd/srv/x.h": true,
		"app/cmd/srv/main_test.go": false,
		"app/cmd/srv/page.html":    true, "app/cmd/srv/README.md": false, "app/cmd/srv/static/a/b.x": true,
		"app/cmd/srv/static/new/c": true,
		"app/cmd/srv/raw/.x":       true, "app/cmd/srv/tpl/b.tpl": true, "app/cmd/srv/tpl/b.txt": false,
		"app/store/store.go": true, "app/unused/unused.go": false, "app/planned/planned.go": true,
		"lib/lib.go": true, "other/other.go": true, "app/go.mod": true, "app/go.sum": true, "lib/go.mod": true,
		"other/go.mod": true,
		"go.work":      true, "app/cmd/other/main.go": false,
	} {
		got[name], want[name] = m.Match(filepath.Join(dir, name)), matters
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestProgramErrors: a package that cannot be run is reported as such.
func TestProgramErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"go.mod": "module m\ngo 1.26\n", "lib/lib.go": "package lib\n"})
	for _, pattern := range []string{"./lib", "./nowhere"} {
		packages, _, err := listGo(t.Context(), dir, pattern)
		if err == nil {
			_, err = program(packages, pattern)
		}
		if err == nil {
			t.Errorf("%s can be run", pattern)
		} else {
			t.Log(err)
		}
	}
}

// TestImports: the packages are listed again only if they may have changed.
func TestImports(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "main.go")
	m := imports{seen: map[string]string{}}
	for _, step := range []struct {
		name, text string
		list       bool
	}{
		{"first seen", "package main\nimport \"fmt\"\n", true},
		{"a body", "package main\nimport \"fmt\"\nfunc main() { fmt.Println(1) }\n", false},
		{"an import more", "package main\nimport (\n\"fmt\"\n\"os\"\n)\nfunc main() {}\n", true},
		{"their order", "package main\nimport (\n\"os\"\n\"fmt\"\n)\nfunc main() {}\n", false},
		{"an embed", "package main\nimport (\n\"os\"\n\"fmt\"\n)\n//go:embed x\nvar x string\n", true},
		{"a constraint", "//go:build linux\n\npackage main\nimport (\n\"os\"\n\"fmt\"\n)\n//go:embed x\nvar x string\n",
			true},
		{"a broken body", "//go:build linux\n\npackage main\nimport (\n\"os\"\n\"fmt\"\n)\n" +
			"//go:embed x\nvar x string\nfunc {", false},
	} {
		write(t, dir, map[string]string{"main.go": step.text})
		if list := m.changed([]string{path}); list != step.list {
			t.Errorf("%s: list %t, want %t", step.name, list, step.list)
		}
	}
	os.Remove(path)
	if !m.changed([]string{path}) {
		t.Error("a file that went does not ask for a list")
	}
	if !m.changed([]string{filepath.Join(dir, "go.mod")}) {
		t.Error("go.mod does not ask for a list")
	}
	if m.changed([]string{filepath.Join(dir, "page.html")}) {
		t.Error("a page asks for a list")
	}
}

// TestGoSetBroken: a package that does not compile at the moment is watched nevertheless.
func TestGoSetBroken(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	whole := map[string]string{
		"go.mod": "module example.org/app\ngo 1.26\n", "lib/lib.go": "package lib\n",
		"main.go": "package main\nimport _ \"example.org/app/lib\"\nfunc main() {}\n",
	}
	write(t, dir, whole)
	r := &recipe{}
	list := func(pattern string) watch.Matcher {
		t.Helper()
		packages, work, err := listGo(t.Context(), dir, pattern)
		if err != nil {
			t.Fatal(err)
		}
		return watch.NewMatcher(r.takeGo(packages, work, time.Time{}))
	}
	r.goInput = new(atomic.Pointer[watch.Matcher])
	matches := func(m watch.Matcher, when string, names ...string) {
		t.Helper()
		for _, name := range names {
			if !m.Match(filepath.Join(dir, name)) {
				t.Errorf("%s: %s is not watched", when, name)
			}
		}
	}
	matches(list("./main.go"), "a file is named", "main.go", "lib/lib.go", "go.mod")
	matches(list("."), "whole", "main.go", "lib/lib.go", "go.mod")
	if err := os.Remove(filepath.Join(dir, "main.go")); err != nil {
		t.Fatal(err)
	}
	matches(list("."), "without a Go file", "main.go", "lib/lib.go", "go.mod")
	write(t, dir, map[string]string{"main.go": "package main\nfunc main() {}\n"})
	if m := list("."); m.Match(filepath.Join(dir, "lib/lib.go")) || !m.Match(filepath.Join(dir, "main.go")) {
		t.Error("whole again: what is not imported is watched on")
	}
}
