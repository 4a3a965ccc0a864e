package systemdbox

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"relevo/internal/systemdbox/boot"
	"relevo/internal/testreq"
)

// tooLong is longer than anything here takes, on a busy machine too.
const tooLong = 60 * time.Second

// glance is the pause between two looks at something that is awaited.
const glance = 10 * time.Millisecond

// Box is a running systemd, for one test. Its Dir is a directory that the test and the box share
// under this path.
type Box struct {
	*boot.System

	t testing.TB
}

// Start boots a systemd with units in /etc/systemd/system, by name. It returns when the boot is
// done.
func Start(t testing.TB, units map[string]string) *Box {
	t.Helper()
	testreq.Root(t)
	system, err := boot.Start(boot.Options{Units: units})
	var absent boot.Absent
	if errors.As(err, &absent) {
		testreq.Missing(t, absent.Why)
	}
	if err != nil {
		t.Fatal(err)
	}
	b := &Box{System: system, t: t}
	t.Cleanup(b.remove)
	return b
}

// remove ends the box and takes away what it was made of.
func (b *Box) remove() {
	if b.t.Failed() {
		out, _ := b.Command("journalctl", "--no-pager", "-o", "short-monotonic", "-n", "200").CombinedOutput()
		b.t.Logf("the box's journal:\n%s", out)
	}
	if err := b.Close(); err != nil {
		b.t.Error(err)
	}
}

// Systemctl runs systemctl, which must succeed, and returns what it prints.
func (b *Box) Systemctl(args ...string) string {
	b.t.Helper()
	out, err := b.System.Systemctl(context.Background(), args...)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
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

// Processes are the pids, as the test sees them, of all in a unit's cgroup and in those below it.
func (b *Box) Processes(unit string) (pids []int) {
	b.t.Helper()
	group := b.Show(unit, "ControlGroup")
	if group == "" {
		return nil // systemd has removed it: none was left
	}
	return b.Members(group)
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
