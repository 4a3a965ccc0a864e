package capture

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"relevo/internal/capture/filter"
)

// ErrNested: a process above this one has captured its binds already.
var ErrNested = filter.ErrNested

// Probe tries out whether binds can be captured here: it lets a thread stop in a bind, and
// reads the address. The filter ends with the thread.
func Probe() error {
	bound := make(chan error, 1)
	installed := make(chan error, 1)
	var inForce filter.Installed
	go func() {
		runtime.LockOSThread() // never unlocked, so the runtime ends the thread with the goroutine
		var err error
		inForce, err = filter.Install()
		if installed <- err; err == nil {
			bound <- bindNothing()
		}
	}()
	if err := <-installed; err != nil {
		return err
	}
	n, err := Open(os.NewFile(uintptr(inForce.FD), "bind notifications"))
	if err != nil {
		return err
	}
	defer n.Close()
	var seen atomic.Bool
	go n.Serve(func(Bind) Answer { seen.Store(true); return Answer{FD: -1, Errno: unix.EADDRINUSE} })
	err = <-bound
	switch {
	case n.Blind() != nil:
		return n.Blind()
	case !seen.Load() || !errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("cannot capture bind: a bind was not seen (%w)", err)
	}
	return nil
}

// bindNothing binds an address that no socket can have, so that nothing happens if the kernel
// performs the bind.
func bindNothing() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Bind(fd, &unix.SockaddrInet4{Port: 1, Addr: [4]byte{192, 0, 2, 1}})
}
