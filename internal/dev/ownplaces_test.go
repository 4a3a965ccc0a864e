package dev

import (
	"testing"

	"relevo/internal/config"
	"relevo/watch"
)

// TestOwnPlaces: files that relevo itself writes below the watched directory are no changes.
func TestOwnPlaces(t *testing.T) {
	dir := t.TempDir()
	for _, given := range [][]string{nil, {"**/*"}} {
		r, err := newRecipe(t.Context(), Options{Dir: dir, Place: dir + "/state/web/dev", Store: dir + "/state/web/releases",
			Dev: config.Dev{Watch: given}})
		if err != nil {
			t.Fatal(err)
		}
		watched := watch.NewMatcher(r.set)
		for path, want := range map[string]bool{
			"/app.py": true, "/releases/app.py": true, "/state/web/dev/web.next": false,
			"/state/web/releases/5eed/release.json": false,
		} {
			if got := watched.Match(dir + path); got != want {
				t.Errorf("%q: %s is watched: %t", given, path, got)
			}
		}
	}
}
