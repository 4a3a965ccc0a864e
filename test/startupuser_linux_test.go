package test

import (
	"os"
	"strings"
	"testing"

	"relevo/internal/testreq"
)

// asAnn runs a script as a user of the box, in a session of its own.
func (s *unitSite) asAnn(script string) (code int, said string) {
	s.t.Helper()
	out, err := s.Command("systemd-run", "--scope", "--quiet", "su", "-", "ann", "-c", "cd "+s.Dir+"\n"+script).
		CombinedOutput()
	return exitCode(err), string(out)
}

// TestStartupOfUser: a user's app moves from a session to the user's own systemd, which from then on
// starts at boot. relevo says what prevents that, and what to type.
func TestStartupOfUser(t *testing.T) {
	takesLong(t)
	t.Parallel()
	testreq.Program(t, "useradd")
	testreq.Program(t, "dbus-daemon")
	s := bootSite(t, "workers = 2\n")
	if out, err := s.Command("useradd", "-m", "-s", "/bin/bash", "ann").CombinedOutput(); err != nil {
		t.Fatalf("useradd: %v: %s", err, out)
	}
	s.Systemctl("start", "dbus.service", "systemd-logind.service")
	const at = "export XDG_RUNTIME_DIR=/run/user/$(id -u)\n"
	for _, step := range []struct {
		script string
		code   int
		want   string
	}{
		{at + "./relevo startup", 1, "no app is remembered; relevo start app.js"},
		{"unset HOME XDG_STATE_HOME; ./relevo startup", 1, "nor HOME is set; set HOME"},
		{at + "./relevo start relevo.toml", 0, "web serves on " + s.address},
		{"unset XDG_RUNTIME_DIR; ./relevo startup", 1, "export XDG_RUNTIME_DIR=/run/user/$(id -u)"},
		{"XDG_RUNTIME_DIR=/tmp ./relevo startup", 1, "sudo loginctl enable-linger $USER\n  without systemd this line"},
		{at + "./relevo startup other", 3, "cannot set up the boot of other: it was not started in the background"},
		{at + "systemctl --user is-system-running --wait; ./relevo startup", 0, "and its 2 workers kept running"},
		{at + "cat /proc/$(pgrep -u ann -n -x app)/cgroup", 0, "/app.slice/web.service"},
		{"test -e /var/lib/systemd/linger/ann && echo lingers", 0, "lingers"},
		{at + "./relevo delete web", 1, "relevo unstartup web"},
		{at + "./relevo stop web && ./relevo start web && systemctl --user is-active web.service", 0, "\nactive\n"},
		{at + "stat -c %a ~/.local/state/relevo/web/environment", 0, "600"},
		{at + "./relevo install --web --user --now -l 127.0.0.1:0 && " +
			"systemctl --user show -P StatusText relevo-web", 0, "the page is at http://127.0.0.1:"},
		{at + "stat -c %a ~/.local/state/relevo/.web-token && ./relevo uninstall --web --user --now", 0, "600"},
		{at + "./relevo unstartup web && ./relevo stop web && ./relevo delete web", 0, "web is deleted"},
		// cron has no XDG_RUNTIME_DIR: what it starts is found from a login, too, and the other way
		// round.
		{"unset XDG_RUNTIME_DIR; ./relevo start relevo.toml", 0, "web serves on " + s.address},
		{at + "./relevo start web", 1, "cannot start web: it runs already"},
		{at + "./relevo startup", 0, "and its 2 workers kept running"},
		{"unset XDG_RUNTIME_DIR; ./relevo list", 0, "running  2/2"},
		{at + "./relevo unstartup web && ./relevo stop web && ./relevo delete web", 0, "web is deleted"},
		{at + "ls -A ~/.config/systemd/user/ /run/user/*/systemd/user/ | grep web || echo none", 0, "none"},
	} {
		code, said := s.asAnn(step.script)
		if code != step.code || !strings.Contains(said, step.want) {
			t.Fatalf("%s: exit code %d, want %d with %q:\n%s", step.script, code, step.code, step.want, said)
		}
	}
}

// TestStartupRefused: relevo says what prevents the unit, and the app keeps running unchanged.
func TestStartupRefused(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newStartedSite(t, "workers = 2\n")
	before, unit := s.settled(2), s.Path("/etc/systemd/system/web.service")
	s.AddUnit("web.service", "[Service]\nExecStart=/bin/true\n")
	s.step(1, "web.service is another program's unit", "startup")
	if err := os.Remove(unit); err != nil {
		t.Fatal(err)
	}
	s.step(0, "written", "install", "-c", s.Dir+"/relevo.toml")
	s.step(1, "relevo uninstall web takes it away", "startup")
	s.step(1, "relevo startup has made no unit for it", "unstartup", "web")
	s.step(0, "removed", "uninstall", "web")
	// The master that systemd starts may not open enough files for the legacy.
	s.override("LimitNOFILE=16")
	s.step(1, "cannot take over from the running master", "startup")
	if _, err := os.Stat(unit); err == nil {
		t.Error("the unit of a failed move still exists")
	}
	if got := s.Show("web.service", "ActiveState"); got != "inactive" && got != "failed" {
		t.Errorf("the unit is %s", got)
	}
	after := s.settled(2)
	if before[0] != after[0] || before[1] != after[1] {
		t.Errorf("workers %v serve, before: %v", after, before)
	}
	if got := s.get("/"); !strings.HasPrefix(got, "version 1 ") {
		t.Errorf("answer %q", got)
	}
	s.step(0, "web is deleted", "delete", "web")
}
