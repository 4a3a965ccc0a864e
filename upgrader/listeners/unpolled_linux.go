package listeners

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Unpolled makes a File of a socket, which it takes, outside of the runtime's poller and
// without its mode being changed: others may use the socket at this moment. os.NewFile
// polls what is non-blocking, so the File is made of something else, and the socket put in
// its place.
func Unpolled(fd int, name string) (*os.File, error) {
	defer unix.Close(fd)
	placeholder, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot take over a socket: %w", err)
	}
	file := os.NewFile(uintptr(placeholder), name)
	if err := unix.Dup3(fd, placeholder, unix.O_CLOEXEC); err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot take over a socket: %w", err)
	}
	return file, nil
}
