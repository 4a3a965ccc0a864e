package launch

import (
	"os"
	"path/filepath"
	"testing"

	"relevo/internal/launch/store"
)

// TestSameProgram: a release that was recorded when the app's name stood for another program is not
// a release of the present one.
func TestSameProgram(t *testing.T) {
	t.Parallel()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"app", "other"} {
		executable(t, filepath.Join(root, name), "#!/bin/sh\nsleep 9\n")
	}
	for _, name := range []string{"app.js", "other.js"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte("sleep 9\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	own := store.About{Source: root + "/app", Dir: root, ResolvedDir: root}
	script := store.About{Source: root + "/app.js", Dir: root, ResolvedDir: root, Interpreted: true}
	elsewhere := store.About{Source: "/r1/app", Dir: root, ResolvedDir: "/r1"}
	otherLink := store.About{Source: "/r1/app", Dir: "/elsewhere", ResolvedDir: "/r1"}
	for _, c := range []struct {
		args   []string
		record store.Record
		want   bool
	}{
		{[]string{"./app"}, store.Record{About: own}, true},
		{[]string{root + "/app"}, store.Record{About: own}, true},
		{[]string{"./other"}, store.Record{About: own}, false},
		{[]string{"./app"}, store.Record{About: elsewhere}, true},
		{[]string{"./app"}, store.Record{About: otherLink}, false},
		{[]string{"./app"}, store.Record{Name: "app"}, true},
		{[]string{"./app"}, store.Record{Name: "other"}, false},
		{[]string{"sh", "app.js"}, store.Record{About: script}, true},
		{[]string{"sh", "other.js"}, store.Record{About: script}, false},
		{[]string{"sh", "app.js"}, store.Record{About: own}, false},
		{[]string{"./app"}, store.Record{About: script}, false},
	} {
		l := newRigOf(t, Options{})
		r, err := l.Prepare(Command{Args: c.args, Dir: root})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.SameProgram(c.record); got != c.want {
			t.Errorf("%q and the record %+v: %v, want %v", c.args, c.record.About, got, c.want)
		}
		r.Close()
	}
}
