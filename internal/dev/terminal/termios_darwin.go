package terminal

import "golang.org/x/sys/unix"

// Of tcgetattr and tcsetattr with TCSADRAIN.
const (
	getTermios = unix.TIOCGETA
	setTermios = unix.TIOCSETAW
)
