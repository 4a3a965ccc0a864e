package boot

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Command runs a program inside, as root. It dies with the system.
func (s *System) Command(name string, args ...string) *exec.Cmd {
	return s.CommandContext(context.Background(), name, args...)
}

// CommandContext runs a program inside that ends with ctx.
func (s *System) CommandContext(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter",
		append([]string{"-t", strconv.Itoa(s.pid), "-m", "-u", "-i", "-p", "-C", "--wd=/", "--", name}, args...)...)
}

// Systemctl runs systemctl, and returns what it prints.
func (s *System) Systemctl(ctx context.Context, args ...string) (string, error) {
	out, err := s.CommandContext(ctx, "systemctl", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cannot run systemctl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}

// Path is where the caller finds a file of the system.
func (s *System) Path(inside string) string {
	return filepath.Join("/proc", strconv.Itoa(s.pid), "root", inside)
}

// Members are the pids, as the caller sees them, of all processes in a cgroup of the system, and
// in those below it.
func (s *System) Members(group string) (pids []int) {
	filepath.WalkDir(filepath.Join(s.cgroup, group), func(path string, _ os.DirEntry, _ error) error {
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
