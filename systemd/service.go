package systemd

import (
	"slices"
	"strings"

	"relevo/internal/procfs"
)

// ServiceOf returns the service whose manager has started a master, and whether that is a user's
// manager. unit is empty if no manager has: the process may be in the cgroup of an unrelated
// service, such as cron.service.
func ServiceOf(pid int) (unit string, user bool) {
	told := func(variable string) bool { return strings.HasPrefix(variable, "NOTIFY_SOCKET=") }
	if !slices.ContainsFunc(procfs.Of(pid).Environ(), told) {
		return "", false
	}
	return unitOf(procfs.Of(pid).Cgroup(""))
}
