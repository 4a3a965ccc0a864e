package terminal

import "golang.org/x/sys/unix"

// Of tcgetattr and tcsetattr with TCSADRAIN.
const (
	getTermios = unix.TCGETS
	setTermios = unix.TCSETSW
)
