//go:build !linux && unix

package hangup

import (
	"os"

	"golang.org/x/sys/unix"
)

// hasTerminal says whether the session of this process has a terminal now.
func hasTerminal() bool {
	file, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	file.Close()
	return true
}

func session() int {
	id, err := unix.Getsid(0)
	if err != nil {
		return 0
	}
	return id
}

// leader is the process that leads the session: only Linux can wait for it without a cost.
type leader struct{}

func followLeader(int, func()) *leader { return nil }

func (*leader) hasEnded() bool { return false }

func (*leader) close() {}
