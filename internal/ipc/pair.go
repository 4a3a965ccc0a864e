package ipc

import (
	"fmt"
	"os"
	"syscall"
)

// Pair makes a worker's socketpair. The master's end is non-blocking and served
// by the runtime's poller; the worker's end is blocking, as a program expects of
// a descriptor that it finds open. Both are closed on exec.
func Pair() (master, worker *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a socketpair: %w", err)
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	if err := syscall.SetNonblock(fds[0], true); err != nil {
		syscall.Close(fds[0])
		syscall.Close(fds[1])
		return nil, nil, fmt.Errorf("cannot make a socketpair: %w", err)
	}
	master = os.NewFile(uintptr(fds[0]), "ipc")
	// To receive a descriptor may block the reader, and to close the socket may block, too, if one is
	// still unread in it: the close of some descriptors waits, for a network file system for example.
	_ = acceptDescriptors(master, false)
	return master, os.NewFile(uintptr(fds[1]), "ipc of the worker"), nil
}

// AcceptDescriptors lets the peer of a master's end send descriptors, which Pair has
// the kernel refuse where it can.
func AcceptDescriptors(master *os.File) { _ = acceptDescriptors(master, true) }
