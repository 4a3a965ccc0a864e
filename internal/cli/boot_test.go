package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWithoutSystemd: the commands for OpenRC write a script that a shell reads, and that starts all
// apps.
func TestWithoutSystemd(t *testing.T) {
	dir := t.TempDir()
	_, commands, _ := strings.Cut(withoutSystemd("echo", true), "\n")
	commands = strings.ReplaceAll(commands, "/etc/local.d", dir)
	commands = strings.ReplaceAll(commands, "rc-update", "echo")
	out, err := exec.Command("sh", "-ec", commands+"\n. "+dir+"/relevo.start").CombinedOutput()
	if got := string(out); err != nil || got != "add local default\nstart --all\n" {
		t.Errorf("%v: %q", err, got)
	}
	script, err := os.Stat(filepath.Join(dir, "relevo.start"))
	if err != nil || script.Mode()&0o111 == 0 {
		t.Errorf("the script cannot be run: %v, %v", script, err)
	}
	if line := withoutSystemd("/bin/relevo", false); !strings.HasSuffix(line, " @reboot /bin/relevo start --all") {
		t.Error(line)
	}
}
