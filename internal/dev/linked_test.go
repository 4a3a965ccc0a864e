package dev

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"relevo/internal/config"
	"relevo/watch"
)

// TestLinkedPackages: packages of this repository, or linked by hand, count as sources; packages
// that a package manager has linked do not.
func TestLinkedPackages(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(top, "apps/odd [x]{y}*")
	for _, d := range []string{"node_modules/@acme", "node_modules/plain", "node_modules/.pnpm/kept@1/node_modules/kept",
		"src"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(top, "packages/lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"@acme/lib": "../../../../packages/lib", "lib": "../../../packages/lib", "kept": ".pnpm/kept@1/node_modules/kept",
		"gone": "nowhere",
	} {
		if err := os.Symlink(target, filepath.Join(dir, "node_modules", link)); err != nil {
			t.Fatal(err)
		}
	}
	links := []string{filepath.Join(dir, "node_modules/lib"), filepath.Join(dir, "node_modules/@acme/lib")}
	for given, ending := range map[string]string{"": "/**", "**/*.js": "/**/*.js", "src/*.js": ""} {
		o := Options{Dir: dir, Place: filepath.Join(top, "place")}
		if given != "" {
			o.Dev = config.Dev{Watch: []string{given}}
		}
		r, err := newRecipe(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range links {
			want := ending != ""
			if got := slices.Contains(r.set.Globs, watch.Escape(link)+ending); got != want {
				t.Errorf("%q: %s is watched: %t", given, link, got)
			}
			if got := r.rolls.Match(link + "/deep/a.js"); got != want {
				t.Errorf("%q: a file in %s rolls: %t", given, link, got)
			}
		}
		if n := len(r.set.Globs); ending != "" && n != 3 {
			t.Errorf("%q: %d patterns: %q", given, n, r.set.Globs)
		}
	}
}
