package main

import (
	"context"
	"os"
	"testing"

	"relevo/bench/lines"
	"relevo/internal/procfs"
	"relevo/internal/testreq"
)

func TestMain(m *testing.M) {
	if code, is := lines.Main(os.Args); is {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// aKit measures without relevo and without npm.
func aKit(t *testing.T) *kit {
	t.Helper()
	p := less
	p.lines = 10_000
	return &kit{plan: p, dir: t.TempDir(), commit: "commit 1"}
}

// TestSystemdPeers: a systemd alone serves, is rolled, starts again what was killed, is replaced,
// and leaves nothing behind.
func TestSystemdPeers(t *testing.T) {
	testreq.TakesLong(t)
	testreq.Root(t)
	for _, program := range []string{"node", "systemctl", "nsenter"} {
		testreq.Program(t, program)
	}
	ctx := t.Context()
	k := aKit(t)
	k.chosen = []string{"systemd"}
	found := k.found()
	if len(found) != 2 {
		t.Fatalf("%d peers, want 2", len(found))
	}
	for _, p := range found {
		s, err := k.launch(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.serving) != p.size() {
			t.Errorf("%s: %d processes serve, want %d", p.name, len(s.serving), p.size())
		}
		r := newResult(1)
		if err := s.roll(ctx); err != nil {
			t.Error(err)
		}
		if s.serving, err = s.awaitAll(ctx); err != nil {
			t.Fatal(err)
		}
		if err := killOne(ctx, s, r); err != nil || len(r.Cells[p.name][replacedIn].Figures) != 1 {
			t.Errorf("%s: after SIGKILL: %+v, %v", p.name, r.Cells, err)
		}
		if err := s.renew(ctx); err != nil {
			t.Error(err)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		if left := procfs.StartedWith(idVariable, s.port()); len(left) > 0 {
			t.Errorf("%s: processes %v are left", p.name, left)
		}
	}
}

// TestLogLines: all lines that a program prints are found and counted, those of compressed files
// too, and one that is missing is missed.
func TestLogLines(t *testing.T) {
	ctx := context.Background()
	k := aKit(t)
	r := newResult(1)
	for _, way := range keepers[len(keepers)-2:] {
		if err := r.kept(ctx, k, way); err != nil {
			t.Fatal(err)
		}
		cells := r.Cells[way.name]
		if missing := cells[linesMissing].Figures; len(missing) != 1 || missing[0] != 0 {
			t.Errorf("%s: missing lines %v", way.name, missing)
		}
		if written, kept := cells[linesWritten].Figures[0], cells[linesKept].Figures[0]; written > kept {
			t.Errorf("%s: all were written after %f s, and in the file after %f s", way.name, written, kept)
		}
	}
}
