package prove

import (
	"fmt"
	"os"

	"relevo/internal/procfs"
)

// leftovers reports child processes and sockets that outlive the tests.
func leftovers() string {
	if all := procfs.Tree(os.Getpid()); len(all) > 1 {
		return fmt.Sprintf("child processes are left: %v", all[1:])
	}
	sockets := make(map[uint64]struct{})
	if err := socketInodes(os.Getpid(), sockets); err != nil || len(sockets) > 0 {
		return fmt.Sprintf("%d sockets are left, error %v", len(sockets), err)
	}
	return ""
}
