package apps

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"relevo/internal/config"
)

// TestFailedStartTakesOnlyItsOwn: a first start that fails leaves no file of its own, and keeps the
// log and the releases that relevo delete has left.
func TestFailedStartTakesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	for left, stays := range map[string]string{"": "", "log": "log/current", "releases": ""} {
		p := Places{config.Places{State: t.TempDir()}}
		if left != "" {
			if err := os.MkdirAll(filepath.Join(p.AppState("web"), left), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		undo, err := p.remember(Definition{Name: "web"}, []byte("workers = 1\n"))
		if err != nil {
			t.Fatal(err)
		}
		output, err := openOutput(p.LogDir("web"))
		if err != nil {
			t.Fatal(err)
		}
		output.Close()
		if err := undo(errors.New("it failed")); err != nil {
			t.Error(err)
		}
		files, err := filepath.Glob(filepath.Join(p.AppState("web"), "*"))
		if err != nil {
			t.Fatal(err)
		}
		if want := filepath.Join(p.AppState("web"), left); left != "" && (len(files) != 1 || files[0] != want) {
			t.Errorf("with %s: %v is left", left, files)
		}
		if _, err := os.Lstat(p.AppState("web")); left == "" && err == nil {
			t.Error("the directory of a new app is left")
		}
		if _, err := os.Lstat(filepath.Join(p.AppState("web"), stays)); stays != "" && err != nil {
			t.Errorf("with %s: %v", left, err)
		}
	}
}
