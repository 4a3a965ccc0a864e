package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// becomeReaper makes this process the parent of what its peers leave behind.
func becomeReaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot become the reaper of what is started: %w", err)
	}
	return nil
}
