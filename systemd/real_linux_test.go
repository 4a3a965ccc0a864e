package systemd_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"relevo/internal/systemdbox"
	"relevo/systemd"
)

// serviceRole makes the test binary the main process of a service.
const serviceRole = "RELEVO_TEST_SERVICE"

// seen is what a service writes down for its test.
type seen struct {
	Inherited []systemd.Named
	Store     int
	Known     bool
	Watchdog  time.Duration
	Failures  []string
}

// serviceMain says all that the package can say to the real manager.
func serviceMain(dir string) {
	var s seen
	failed := func(err error) {
		if err != nil {
			s.Failures = append(s.Failures, err.Error())
		}
	}
	n := systemd.NewNotifier(os.Getenv, failed)
	var err error
	s.Inherited, err = systemd.Inherited(os.Getenv)
	failed(err)
	s.Store, s.Known = systemd.StoreSize(os.Getenv)
	s.Watchdog, _ = systemd.WatchdogInterval(os.Getenv)
	if len(s.Inherited) == 0 { // the first life
		for _, name := range []string{"kept", "discarded"} {
			file, err := os.CreateTemp("", name) // the manager keeps one file once
			failed(err)
			failed(n.Store(name, file))
		}
		n.Discard("discarded")
	}
	n.ExtendTimeout(time.Minute)
	n.Ready("lives")
	n.Alive()
	// The successor: a child that becomes the main process.
	child := exec.Command("sleep", "1000")
	failed(child.Start())
	n.MainPID(child.Process.Pid)
	ctx, cancel := context.WithTimeout(context.Background(), tooLong)
	defer cancel()
	failed(n.Barrier(ctx))
	n.Status("too late: not the main process any more")
	text, _ := json.Marshal(s)
	os.WriteFile(filepath.Join(dir, "seen.new"), text, 0o644)
	os.WriteFile(filepath.Join(dir, "child"), []byte(strconv.Itoa(child.Process.Pid)), 0o644)
	os.Rename(filepath.Join(dir, "seen.new"), filepath.Join(dir, "seen"))
	child.Wait()
}

// TestRealManager: everything that the package says means to systemd what it is
// meant to.
func TestRealManager(t *testing.T) {
	b := systemdbox.Start(t, nil)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.Dir, "service"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	b.AddUnit("said.service", `[Service]
Type=notify
NotifyAccess=main
FileDescriptorStoreMax=4
WatchdogSec=300
Restart=always
RestartSec=0
ExecStart=`+b.Dir+`/service
Environment=`+serviceRole+"="+b.Dir+"\n")
	b.Systemctl("start", "said.service")
	first := awaitSeen(t, b)
	if first.Store != 4 || !first.Known || first.Watchdog != 300*time.Second || len(first.Inherited) != 0 ||
		len(first.Failures) != 0 {
		t.Errorf("the service saw %+v", first)
	}
	// The barrier: what came before it has been handled, without another look.
	child, err := os.ReadFile(filepath.Join(b.Dir, "child"))
	if err != nil {
		t.Fatal(err)
	}
	for property, want := range map[string]string{
		"MainPID": string(child), "StatusText": "lives", "NFileDescriptorStore": "1", "ActiveState": "active",
	} {
		if got := b.Show("said.service", property); got != want {
			t.Errorf("%s is %q, want %q", property, got, want)
		}
	}
	// The store gives the file back to the next life.
	if err := os.Remove(filepath.Join(b.Dir, "seen")); err != nil {
		t.Fatal(err)
	}
	b.Systemctl("restart", "said.service")
	second := awaitSeen(t, b)
	if len(second.Inherited) != 1 || second.Inherited[0] != (systemd.Named{Name: "kept", FD: 3}) ||
		len(second.Failures) != 0 {
		t.Errorf("the second life saw %+v", second)
	}
}

// awaitSeen returns what the service has seen when it is done.
func awaitSeen(t *testing.T, b *systemdbox.Box) (s seen) {
	t.Helper()
	var text []byte
	b.Await("the service", func() (done bool) {
		var err error
		text, err = os.ReadFile(filepath.Join(b.Dir, "seen"))
		return err == nil
	})
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}
