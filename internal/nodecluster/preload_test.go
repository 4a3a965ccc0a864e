package nodecluster

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestInstallPreload(t *testing.T) {
	dir := t.TempDir()
	path, err := InstallPreload(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func() error{
		"nothing happened": func() error { return nil },
		"it was changed":   func() error { os.Chmod(path, 0o644); return os.WriteFile(path, []byte("evil"), 0o644) },
		"it is a link":     func() error { os.Remove(path); return os.Symlink("/etc/passwd", path) },
		"it is gone":       func() error { return os.Remove(path) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		again, err := InstallPreload(dir)
		if err != nil || again != path {
			t.Errorf("%s: %s, %v", name, again, err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode() != 0o444 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		if text, err := os.ReadFile(path); err != nil || !slices.Equal(text, preload) {
			t.Errorf("%s: the file holds something else (%v)", name, err)
		}
	}
	if _, err := InstallPreload(filepath.Join(dir, "none")); err == nil {
		t.Error("it was put where there is no directory")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%v are left (%v)", left, err)
	}
}

func TestWithPreload(t *testing.T) {
	for options, want := range map[string]string{
		"":              `--require "/run/a b\\c\"/p.cjs"`,
		"--no-warnings": `--no-warnings --require "/run/a b\\c\"/p.cjs"`,
	} {
		if got := WithPreload(options, `/run/a b\c"/p.cjs`); got != want {
			t.Errorf("%q and the preload are %q, want %q", options, got, want)
		}
	}
}

func TestOldNode(t *testing.T) {
	for version, want := range map[string]bool{"17.9.1": true, "18.0.0": false, "26.1.0": false, "": false, "x": false} {
		if got := (Preloaded{version}).Old(); got != want {
			t.Errorf("%q is old: %v, want %v", version, got, want)
		}
	}
}

func TestPreloadSpeaks(t *testing.T) {
	r := newRig(t)
	for said, want := range map[string]Event{`{"cmd":"NODE_RELEVO","act":"preloaded","node":"22.1.0"}`: Preloaded{
		"22.1.0"}, `{"cmd":"NODE_RELEVO","act":"clear"}`: Clear{}} {
		r.events = nil
		if r.want(t, said); !slices.Equal(r.events, []Event{want}) {
			t.Errorf("%s: events %v", said, r.events)
		}
	}
	r.sent = nil
	r.Leave()
	r.Deadline()
	if want := []string{`{"cmd":"NODE_RELEVO","act":"leave","seq":0}`,
		`{"cmd":"NODE_RELEVO","act":"deadline","seq":0}`}; !slices.Equal(r.sent, want) {
		t.Errorf("sent %q, want %q", r.sent, want)
	}
}
