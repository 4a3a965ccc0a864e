package systemdbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Command runs a program inside of the box, as root. It dies with the box.
func (b *Box) Command(name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter",
		append([]string{"-t", strconv.Itoa(b.pid), "-m", "-u", "-i", "-p", "-C", "--wd=/", "--", name}, args...)...)
}

// Systemctl runs systemctl, which must succeed, and returns what it prints.
func (b *Box) Systemctl(args ...string) string {
	b.t.Helper()
	out, err := b.Command("systemctl", args...).CombinedOutput()
	if err != nil {
		b.t.Fatalf("systemctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// Show returns a property of a unit: systemctl show -P.
func (b *Box) Show(unit, property string) string {
	b.t.Helper()
	return b.Systemctl("show", "-P", property, unit)
}

// Journal returns what a unit's processes, and systemd about it, have said.
func (b *Box) Journal(unit string) string {
	b.t.Helper()
	out, err := b.Command("journalctl", "--no-pager", "-o", "cat", "-u", unit).CombinedOutput()
	if err != nil {
		b.t.Fatalf("journalctl -u %s: %v\n%s", unit, err, out)
	}
	return string(out)
}

// AddUnit puts a unit in place and makes systemd read it.
func (b *Box) AddUnit(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(b.Path("/etc/systemd/system/"+name), []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.Systemctl("daemon-reload")
}

// Processes are the pids, as the test sees them, of all in a unit's cgroup and in
// those below it.
func (b *Box) Processes(unit string) (pids []int) {
	b.t.Helper()
	group := b.Show(unit, "ControlGroup")
	if group == "" {
		return nil // systemd has removed it: nobody was left
	}
	filepath.WalkDir(filepath.Join(b.cgroup, group), func(path string, _ os.DirEntry, _ error) error {
		if filepath.Base(path) != "cgroup.procs" {
			return nil
		}
		text, _ := os.ReadFile(path)
		for field := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}

// Await looks until the condition holds, and fails the test if it never does.
func (b *Box) Await(what string, holds func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(tooLong); time.Now().Before(deadline); time.Sleep(glance) {
		if holds() {
			return
		}
	}
	b.t.Fatalf("waited in vain for %s", what)
}
