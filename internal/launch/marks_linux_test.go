package launch

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMarkedRelease: the same script with another lock file beside it is another release. A rollback
// to it would change nothing, because the script is the same.
func TestMarkedRelease(t *testing.T) {
	t.Parallel()
	s, c := scriptShelf(t, "sh", "app.sh")
	lock := filepath.Join(c.Dir, "yarn.lock")
	put := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(filepath.Join(c.Dir, "package.json"), `{"version": "1.2.3"}`)
	put(lock, "one")
	bytes := s.write("echo one\n")
	old := s.prepare(c)
	put(lock, "two")
	next := s.prepare(c)
	names := map[string]bool{bytes: true, old.Info().SHA256: true, next.Info().SHA256: true}
	if len(names) != 3 || old.Info().Version != "1.2.3" {
		t.Errorf("the releases are %+v and %+v", old.Info(), next.Info())
	}
	if now, err := old.Name(bytes); err != nil || now != next.Info().SHA256 {
		t.Errorf("a start would run %s, %v; want %s", now, err, next.Info().SHA256)
	}
	s.wantSays(next, "one")
	back := s.prepareStored(c, old.Info().SHA256)
	if back.Info() != old.Info() {
		t.Errorf("the kept release is %+v, want %+v", back.Info(), old.Info())
	}
	for _, record := range s.Store().List() {
		if !next.SameBytes(record) {
			t.Errorf("the bytes of %s count as different", record.SHA256)
		}
	}
	s.write("echo two\n")
	if other := s.prepare(c); other.SameBytes(s.Store().List()[1]) {
		t.Error("different bytes count as the same")
	}
}
