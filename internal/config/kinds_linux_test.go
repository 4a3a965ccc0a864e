package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFilesOfOtherKinds: a file that would never end, or never begin, is refused with
// the reason; a reload has to read it again.
func TestFilesOfOtherKinds(t *testing.T) {
	dir := t.TempDir()
	pipe, link, large := filepath.Join(dir, "pipe"), filepath.Join(dir, "link"), filepath.Join(dir, "large")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, []byte(strings.Repeat("A=b\n", maxEnvFile/4+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{pipe: "a pipe", link: "a device", dir: "a directory",
		large: "is it the right file?"} {
		if _, err := ReadEnvFile(path); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.HasPrefix(err.Error(), "cannot read the environment file") {
			t.Errorf("ReadEnvFile(%s): %v, want %q", path, err, want)
		}
		if _, err := Load(path, dir); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "cannot read the configuration") {
			t.Errorf("Load(%s): %v, want %q", path, err, want)
		}
	}
}
