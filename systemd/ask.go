package systemd

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// askPatience bounds the wait for an answer of systemctl.
const askPatience = 2 * time.Second

// ask runs systemctl to read the manager's state.
func ask(user bool, args ...string) (string, error) {
	if user {
		args = append([]string{"--user"}, args...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), askPatience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", args...).Output()
	if err != nil {
		return "", fmt.Errorf("cannot ask systemd (systemctl %s): %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Version is the version of the installed systemd, such as 252; 0 if there is none.
func Version() int {
	out, err := ask(false, "--version")
	fields := strings.Fields(out)
	if err != nil || len(fields) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(fields[1])
	return n
}
