package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"relevo/internal/procfs"
)

// quota is a cgroup with a part of the processors. The zero value limits nothing.
type quota struct{ dir string }

// newQuota makes a cgroup below this process's, of version 2 or 1. Neither may be possible here.
func newQuota(processors float64) (q quota, err error) {
	const period = 100_000 // microseconds
	name, most := fmt.Sprintf("relevo-bench-%d", os.Getpid()), fmt.Sprint(int(processors*period))
	for _, try := range []struct {
		parent, file, limit string
		weight, value       string // of the eight workers beside other programs; else it is that of one process
		enable              bool
	}{
		{procfs.Self.CgroupDirectory(""), "cpu.max", most + " " + fmt.Sprint(period), "cpu.weight", "800", true},
		{procfs.Self.CgroupDirectory("cpu"), "cpu.cfs_quota_us", most, "cpu.shares", "8192", false},
	} {
		if try.parent == "" {
			continue
		}
		if try.enable { // refused where processes are in the parent, and where the controller is elsewhere
			_ = os.WriteFile(filepath.Join(try.parent, "cgroup.subtree_control"), []byte("+cpu"), 0)
		}
		q.dir = filepath.Join(try.parent, name)
		if failed := os.Mkdir(q.dir, 0o755); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		failed := errors.Join(os.WriteFile(filepath.Join(q.dir, try.file), []byte(try.limit), 0),
			os.WriteFile(filepath.Join(q.dir, try.weight), []byte(try.value), 0))
		if failed == nil {
			return q, nil
		}
		err = errors.Join(err, failed, os.Remove(q.dir))
	}
	return quota{}, fmt.Errorf("cannot limit the processors by a cgroup: %w", err)
}

// command has a command run in the cgroup.
func (q quota) command(args ...string) []string {
	if q.dir == "" {
		return args
	}
	return append([]string{"sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, q.dir}, args...)
}

// remove is for when all processes in it have ended.
func (q quota) remove() error {
	if q.dir == "" {
		return nil
	}
	return os.Remove(q.dir)
}
