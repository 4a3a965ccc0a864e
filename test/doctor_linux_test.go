package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relevo/internal/doctor"
)

// TestContainerDoctor: in a container the doctor's advice is about the container.
func TestContainerDoctor(t *testing.T) {
	takesLong(t)
	t.Parallel()
	i := buildMisbehaving(t)
	i.files["/relevo.toml"] = filepath.Join(t.TempDir(), "relevo.toml")
	if err := os.WriteFile(i.files["/relevo.toml"], []byte("name = 'app'\nlisten = [':8080']\ndrain_timeout = '20s'\n"),
		0o644); err != nil {
		t.Fatal(err)
	}
	spec := i.spec("-n", "1", "--config", "")
	b := startBox(t, spec)
	b.serves(1)
	// A configuration with more patience than Docker has.
	code, text := b.exec("/relevo", "doctor", "-c", "/relevo.toml")
	if want := "docker stop -t 23"; code != 1 || !strings.Contains(text, want) {
		t.Errorf("exit code %d, and the output lacks %q:\n%s", code, want, text)
	}
	code, text = b.exec("/relevo", "doctor", "app", "--json")
	var findings []doctor.Finding
	if err := json.Unmarshal([]byte(text), &findings); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v: %s", code, err, text)
	}
	_, plain := b.exec("/relevo", "doctor", "app")
	for _, want := range []struct {
		check  string
		status doctor.Status
		says   string
	}{
		{"systemd", doctor.OK, "docker run --restart"},
		{"user", doctor.OK, "12345 (without an entry in /etc/passwd)"},
		{"runtime", doctor.Warn, "cannot use /tmp/relevo-12345"},
		{"state", doctor.Warn, "RELEVO_STATE_DIR names another place; in a container a volume"},
		{"master", doctor.OK, "app runs: pid 1"},
	} {
		if !slices.ContainsFunc(findings, func(f doctor.Finding) bool {
			return f.Check == want.check && f.Status == want.status &&
				strings.Contains(f.Found+f.Consequence+f.Remedy, want.says)
		}) {
			t.Errorf("%s is not %s, or lacks %q:\n%s", want.check, want.status, want.says, plain)
		}
	}
}
