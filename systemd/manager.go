package systemd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrDenied is returned by Manager.Run if the manager refuses this user.
var ErrDenied = errors.New("systemd: access denied")

// Manager is the service manager of this machine, or of this user.
type Manager struct{ User bool }

// Check says whether the manager runs (sd_booted(3)).
func (m Manager) Check(getenv func(string) string) error {
	if _, err := exec.LookPath("systemctl"); err != nil {
		return errors.New("cannot reach systemd: systemctl is not installed; relevo unit prints the units")
	}
	sign := "/run/systemd/system"
	if m.User {
		if sign = getenv("XDG_RUNTIME_DIR"); sign == "" {
			return errors.New("cannot reach your systemd: XDG_RUNTIME_DIR is not set; log in as this user, or: " +
				"export XDG_RUNTIME_DIR=/run/user/$(id -u)")
		}
		sign = filepath.Join(sign, "systemd")
	}
	if _, err := os.Stat(sign); err != nil && m.User {
		return fmt.Errorf("cannot reach your systemd: it does not run (%w); it does after a login, or after: "+
			"sudo loginctl enable-linger $USER", err)
	} else if err != nil {
		return fmt.Errorf("cannot reach systemd: it does not run here (%w); relevo unit prints the units", err)
	}
	return nil
}

// Command is a systemctl command line for people to type.
func (m Manager) Command(args ...string) string {
	return strings.Join(append([]string{"systemctl"}, m.args(args)...), " ")
}

func (m Manager) args(args []string) []string {
	if m.User {
		return append([]string{"--user"}, args...)
	}
	return args
}

// Run runs systemctl until it ends, however long that takes. The error quotes its output.
func (m Manager) Run(args ...string) error {
	out, err := exec.Command("systemctl", append([]string{"--quiet", "--no-ask-password"}, m.args(args)...)...).
		CombinedOutput()
	if err == nil {
		return nil
	}
	said := strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", "; ")
	for _, denied := range []string{"Access denied", "authentication required", "Permission denied"} {
		if strings.Contains(said, denied) {
			return fmt.Errorf("cannot run %s: %w: %s", m.Command(args...), ErrDenied, said)
		}
	}
	return fmt.Errorf("cannot run %s: %w: %s", m.Command(args...), err, said)
}

// Said returns the last lines that a unit's processes wrote to the journal.
func (m Manager) Said(unit string, lines int) []string {
	args := append(m.args([]string{"--no-pager", "--output=cat"}), "--lines="+strconv.Itoa(lines), "--unit="+unit)
	out, err := exec.Command("journalctl", args...).Output()
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimRight(string(out), "\n"), "\n")
}
