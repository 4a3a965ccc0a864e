package cli

import (
	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
)

// forget tells the kernel that what the start has read of the program's file is not needed: code
// and constants that are used again come back from the page cache, without a read of the disk. The kernel
// maps 64 KiB, or more, around each address that is used once, so most of the file counts as resident
// after a start: 17 MB of an idle master with 64 workers, and 3 MB after this; 16 MB of relevo monit,
// and 11 MB. All processes of relevo share these pages, so it is the figure that gets smaller, and the
// page tables, and not what the machine uses. A breakpoint of a debugger that is set before this is lost.
func forget(program []procfs.Mapping) {
	for _, m := range program {
		unix.Syscall(unix.SYS_MADVISE, m.From, m.To-m.From, unix.MADV_DONTNEED) // at worst nothing is forgotten
	}
}
