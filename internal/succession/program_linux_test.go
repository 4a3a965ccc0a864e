package succession

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestProgramIsNotRead: as long as nothing was put in place of the program that runs, a reload does
// not read it. Another file of the same bytes is no change, another file of other bytes is.
func TestProgramIsNotRead(t *testing.T) {
	named := os.Args[0]
	t.Cleanup(func() { os.Args[0] = named })
	b := newBench(t)
	os.Args[0] = filepath.Join(t.TempDir(), "relevo")
	if err := os.Symlink("/proc/self/exe", os.Args[0]); err != nil {
		t.Fatal(err)
	}
	if changed, err := b.ProgramChanged(); changed || err != nil || b.sum != "" {
		t.Errorf("the program has changed: %t, %v; its hash: %q", changed, err, b.sum)
	}
	put := func(more string) {
		t.Helper()
		program, err := os.Open("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		defer program.Close()
		next, err := os.Create(os.Args[0] + ".new")
		if err != nil {
			t.Fatal(err)
		}
		defer next.Close()
		if _, err := io.Copy(next, program); err != nil {
			t.Fatal(err)
		}
		if _, err := next.WriteString(more); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next.Name(), os.Args[0]); err != nil {
			t.Fatal(err)
		}
	}
	for more, want := range map[string]bool{"": false, "more": true} {
		put(more)
		if changed, err := b.ProgramChanged(); changed != want || err != nil {
			t.Errorf("with %q behind it the program has changed: %t, %v", more, changed, err)
		}
	}
}
