package apps

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/control"
)

// TestLookFailed: apps of another user are a matter of permission, and the message says what to do.
func TestLookFailed(t *testing.T) {
	for reason, want := range map[error]int{
		syscall.EACCES: control.ExitNotPermitted,
		syscall.EIO:    control.ExitFailure,
	} {
		err := LookFailed(&fs.PathError{Op: "open", Path: "/srv/relevo", Err: reason})
		got, begin := control.ExitCode(err), "cannot look for apps: open /srv/relevo"
		if got != want || !strings.HasPrefix(err.Error(), begin) {
			t.Errorf("%v: exit code %d, want %d: %v", reason, got, want, err)
		}
	}
}
