package systemdbox_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"relevo/internal/systemdbox"
)

const sleeper = `[Service]
ExecStart=/bin/sh -c 'echo here >$DIR/file; echo said something; exec sleep 1000'
Environment=DIR=`

func TestBox(t *testing.T) {
	var pids []int
	var dir string
	t.Run("box", func(t *testing.T) {
		b := systemdbox.Start(t, map[string]string{"first.service": "[Service]\nExecStart=/bin/sleep 1000\n"})
		dir = b.Dir
		b.Systemctl("start", "first.service")
		b.AddUnit("second.service", sleeper+b.Dir+"\n")
		b.Systemctl("start", "second.service")
		b.Await("the file", func() bool {
			text, _ := os.ReadFile(filepath.Join(b.Dir, "file"))
			return string(text) == "here\n"
		})
		b.Await("the journal", func() bool { return strings.Contains(b.Journal("second.service"), "said something") })
		if got := b.Show("second.service", "ActiveState"); got != "active" {
			t.Errorf("state %q", got)
		}
		pids = append(b.Processes("first.service"), b.Processes("second.service")...)
		if len(pids) != 2 {
			t.Errorf("processes %v, want 2", pids)
		}
		if text, err := os.ReadFile(b.Path("/proc/1/comm")); err != nil || string(text) != "systemd\n" {
			t.Errorf("PID 1 is %q, %v", text, err)
		}
		if got := b.Systemctl("list-units", "--failed", "--no-legend", "--plain"); got != "" {
			t.Errorf("failed units:\n%s", got)
		}
	})
	if dir == "" {
		return // there was no box
	}
	for _, pid := range pids {
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil {
			t.Errorf("process %d is left", pid)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounts), filepath.Dir(dir)) {
		t.Errorf("a mount of %s is left: %v", filepath.Dir(dir), err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); err == nil {
		t.Errorf("%s is left", filepath.Dir(dir))
	}
}

// Boxes do not see one another.
func TestSeveralBoxes(t *testing.T) {
	for range 2 {
		t.Run("box", func(t *testing.T) {
			t.Parallel()
			b := systemdbox.Start(t, map[string]string{"same.service": "[Service]\nExecStart=/bin/sleep 1000\n"})
			b.Systemctl("start", "same.service")
			if pids := b.Processes("same.service"); len(pids) != 1 {
				t.Errorf("processes %v, want 1", pids)
			}
		})
	}
}
