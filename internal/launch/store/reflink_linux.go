package store

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// reflink makes the file to share the blocks of the file from (ioctl_ficlone(2)).
func reflink(to, from *os.File) error {
	return unix.IoctlFileClone(int(to.Fd()), int(from.Fd()))
}

func changeTime(stat *syscall.Stat_t) time.Time { return time.Unix(stat.Ctim.Unix()) }
