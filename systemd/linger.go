package systemd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// lingerDir has a file for each user whose manager runs without a login.
const lingerDir = "/var/lib/systemd/linger"

// Lingers says whether a user's manager starts at boot and stays after the last logout.
func Lingers(name string) bool {
	_, err := os.Stat(filepath.Join(lingerDir, name))
	return err == nil
}

// Linger makes a user's manager start at boot and stay after the last logout. Users may ask for
// this for themselves, unless the machine's policy forbids it.
func Linger(name string) error {
	out, err := exec.Command("loginctl", "--no-ask-password", "enable-linger", name).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %w: %s", ErrDenied, err, strings.TrimSpace(string(out)))
	}
	if !Lingers(name) {
		return errors.New("loginctl has not done it")
	}
	return nil
}
