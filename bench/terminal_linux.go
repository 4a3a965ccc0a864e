package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openTerminal makes a pseudoterminal. The screen is the end of it for a program.
func openTerminal(columns, lines uint16) (keyboard, screen *os.File, err error) {
	// It does not block, so that closing it ends a read.
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot open a terminal: %w", err)
	}
	keyboard = os.NewFile(uintptr(fd), "ptmx")
	err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	number, numberErr := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	sizeErr := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: lines})
	for _, failed := range []error{err, numberErr, sizeErr} {
		if failed != nil {
			keyboard.Close()
			return nil, nil, fmt.Errorf("cannot make a terminal: %w", failed)
		}
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		keyboard.Close()
		return nil, nil, fmt.Errorf("cannot open a terminal: %w", err)
	}
	return keyboard, screen, nil
}
