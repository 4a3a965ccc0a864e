package systemd

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Attach asks the manager to move processes of this user to a cgroup below that of this process's
// service. A user's manager has rights that its user lacks: it can take processes out of the cgroup
// of a session.
func Attach(dir string, pids []int) error {
	unit, user := ownUnit()
	if unit == "" {
		return errors.New("cannot have systemd move processes: this process belongs to no service")
	}
	below := ""
	for d := dir; ; d = filepath.Dir(d) {
		if strings.TrimPrefix(filepath.Base(d), "_") == unit {
			below = strings.TrimPrefix(dir, d)
			break
		}
		if d == filepath.Dir(d) {
			return fmt.Errorf("internal error: %s is no cgroup of %s", dir, unit)
		}
	}
	args := []string{"call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
		"AttachProcessesToUnit", "ssau", unit, below, strconv.Itoa(len(pids))}
	for _, pid := range pids {
		args = append(args, strconv.Itoa(pid))
	}
	if user {
		args = append([]string{"--user"}, args...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), askPatience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "busctl", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot have systemd move processes to %s: %w: %s", unit, err, strings.TrimSpace(string(out)))
	}
	return nil
}
