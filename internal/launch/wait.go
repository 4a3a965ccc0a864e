package launch

import (
	"errors"
	"fmt"
	"syscall"
)

// waitFor waits for a child that ends at once, and reaps it.
func waitFor(child int) error {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(child, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err == nil && (!status.Exited() || status.ExitStatus() != 0) {
			err = fmt.Errorf("it ended with status %d", status.ExitStatus())
		}
		return err
	}
}
