package upgrader

import (
	"errors"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

func memoryFile(name string) (*os.File, error) {
	// Some hosts refuse memory that may be executed (sysctl vm.memfd_noexec=2); kernels
	// before 6.3 know no other.
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func closeFD(fd int) { unix.Close(fd) }

func copyFD(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }

// withFDs runs do with the descriptors of files, which stay open meanwhile and
// keep their modes. Files that are closed are left out.
func withFDs(files map[string]*os.File, do func(names []string, fds []int) error) error {
	var names []string
	var fds []int
	sorted := slices.Sorted(maps.Keys(files))
	var next func(i int) error
	next = func(i int) (err error) {
		if i == len(sorted) {
			return do(names, fds)
		}
		raw, err := files[sorted[i]].SyscallConn()
		if err != nil {
			return next(i + 1)
		}
		failed := raw.Control(func(fd uintptr) {
			names, fds = append(names, sorted[i]), append(fds, int(fd))
			err = next(i + 1)
		})
		if failed != nil {
			return next(i + 1)
		}
		return err
	}
	return next(0)
}
