package cli

import (
	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
)

// forget tells the kernel that this process does not need the pages of the program's file that its
// start has used. Code and constants that are used again come from the page cache, without a read of
// the disk. The kernel maps 64 KiB or more around each address that is used once, so after a start
// most of the file counts as resident: 17 MB of an idle master with 64 workers, and 3 MB after this
// call; 16 MB of relevo monit, and 11 MB after it. All processes of relevo share these pages, so the
// machine as a whole gains only the page tables. A breakpoint that a debugger has set before is lost.
func forget(program []procfs.Mapping) {
	for _, m := range program {
		unix.Syscall(unix.SYS_MADVISE, m.From, m.To-m.From, unix.MADV_DONTNEED) // after an error the pages stay
	}
}
