package terminal

import "golang.org/x/sys/unix"

// The ioctls of tcgetattr, and of tcsetattr with TCSADRAIN.
const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETAW
)
