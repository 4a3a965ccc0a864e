package apps

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/testreq"
)

// fullDisk is a state directory on a disk that the returned function fills.
func fullDisk(t *testing.T) (p Places, fill func()) {
	t.Helper()
	mount := t.TempDir()
	if err := unix.Mount("relevo-test", mount, "tmpfs", 0, "size=1m,mode=700"); err != nil {
		testreq.Missing(t, "this test mounts a tmpfs: "+err.Error())
	}
	t.Cleanup(func() { unix.Unmount(mount, unix.MNT_DETACH) })
	return Places{config.Places{State: mount}}, func() {
		if err := os.WriteFile(filepath.Join(mount, "filler"), make([]byte, 2<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("the disk is not full: %v", err)
		}
	}
}

// TestRememberOnFullDisk: an app whose definition is there already is started although the disk
// is full, also after a start that failed. A new app leaves nothing, and its error says why.
func TestRememberOnFullDisk(t *testing.T) {
	t.Parallel()
	p, fill := fullDisk(t)
	web, text := Definition{Name: "web", Config: p.WrittenFile("web"), Written: true, Dir: "/srv"}, []byte("workers = 1\n")
	for range 2 {
		if _, err := p.remember(web, text); err != nil {
			t.Fatal(err)
		}
	}
	former, _ := p.Load("web")
	former.Failure = "it failed"
	if err := p.save(*former, nil); err != nil {
		t.Fatal(err)
	}
	fill()
	for _, again := range [][]byte{nil, text} {
		if undo, err := p.remember(web, again); err != nil {
			t.Errorf("an app that is known: %v", err)
		} else if err = undo(errors.New("it failed again")); err != nil {
			t.Errorf("after a failed start: %v", err)
		}
	}
	if now, err := p.Load("web"); err != nil || now == nil || !now.startsAs(web) {
		t.Errorf("the definition is %v, %v", now, err)
	}
	if _, err := p.remember(web, []byte("workers = 2\n")); err == nil {
		t.Error("another configuration file found room")
	}
	if now, _ := os.ReadFile(p.WrittenFile("web")); string(now) != string(text) {
		t.Errorf("the configuration file is %q", now)
	}
	_, err := p.remember(Definition{Name: "shop"}, text)
	if err == nil || strings.Contains(err.Error(), "\n") ||
		!strings.Contains(err.Error(), "is full") || !strings.Contains(err.Error(), "RELEVO_STATE_DIR") {
		t.Errorf("a new app: %v", err)
	}
	if _, err := os.Lstat(p.AppState("shop")); err == nil {
		t.Error("the directory of the new app is left")
	}
	if entries, _ := os.ReadDir(p.AppState("web")); len(entries) != 2 {
		t.Errorf("files are left: %v", entries)
	}
}
