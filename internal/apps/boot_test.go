package apps_test

import (
	"slices"
	"testing"

	"relevo/internal/apps"
	"relevo/internal/config"
)

// TestBootEnviron: a unit has what the app was started with, and nothing of the session.
func TestBootEnviron(t *testing.T) {
	t.Parallel()
	d := apps.Definition{Dir: "/srv", Path: "/opt/node/bin:/bin"}
	env := []string{"HOME=/home/ann", "PATH=/bin:/usr/bin", "TOKEN=secret", "SSH_TTY=/dev/pts/1",
		"XDG_RUNTIME_DIR=/run/user/1",
		"NOTIFY_SOCKET=/run/x", "RELEVO_NAME=other", "TERM=xterm", "TERMINFO=/x", "PWD=/tmp", "LANG=C.UTF-8", "MANAGERPID=1"}
	open, own := d.BootEnviron(env, config.Places{Runtime: "/run/relevo", State: "/var/lib/relevo"})
	wantOpen := []string{"HOME=/home/ann", "RELEVO_RUNTIME_DIR=/run/relevo", "RELEVO_STATE_DIR=/var/lib/relevo",
		"PATH=/bin:/usr/bin:/opt/node/bin"}
	if !slices.Equal(open, wantOpen) {
		t.Errorf("all may see %q, want %q", open, wantOpen)
	}
	if want := []string{"TOKEN=secret", "LANG=C.UTF-8"}; !slices.Equal(own, want) {
		t.Errorf("the app's own are %q, want %q", own, want)
	}
}
