package systemd

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Named is a descriptor that the manager has passed on: a socket of a .socket
// unit, or a file that was stored (Notifier.Store). Several may have one name.
type Named struct {
	Name string
	FD   int // close-on-exec; otherwise unchanged
}

// firstFD is SD_LISTEN_FDS_START.
const firstFD = 3

// unnamed is systemd's name for a descriptor without one.
const unnamed = "unknown"

// Inherited returns the descriptors that the manager has passed to this process, in order:
// LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES of sd_listen_fds(3). If the variables are meant for
// another process, it returns none and no error. Call it once, at the start: the descriptors belong
// to the caller, and a later call would return them again although they may have been closed.
func Inherited(getenv func(string) string) ([]Named, error) {
	pid, fds := getenv("LISTEN_PID"), getenv("LISTEN_FDS")
	if pid == "" || fds == "" {
		return nil, nil
	}
	meant, err := strconv.Atoi(pid)
	if err != nil || meant <= 0 {
		return nil, fmt.Errorf("cannot take the sockets of the service manager: LISTEN_PID=%q is not a process's number", pid)
	}
	if meant != os.Getpid() {
		return nil, nil
	}
	count, err := strconv.Atoi(fds)
	if err != nil || count < 0 || count > maxInherited {
		return nil, fmt.Errorf("cannot take the sockets of the service manager: LISTEN_FDS=%q is not a number of "+
			"descriptors (0 to %d)", fds, maxInherited)
	}
	names := make([]string, count)
	for i := range names {
		names[i] = unnamed
	}
	if text := getenv("LISTEN_FDNAMES"); text != "" && count > 0 {
		names = strings.Split(text, ":")
	}
	if len(names) != count {
		return nil, fmt.Errorf("cannot take the sockets of the service manager: LISTEN_FDNAMES has %d "+
			"names for %d descriptors", len(names), count)
	}
	return claim(names)
}

// StoredPrefix begins the names of files that a master keeps in the manager's
// store, which it passes on together with the sockets of .socket units.
const StoredPrefix = "relevo "

// Split parts what a master has stored from the sockets of .socket units.
func Split(all []Named) (sockets, stored []Named) {
	for _, n := range all {
		if strings.HasPrefix(n.Name, StoredPrefix) {
			stored = append(stored, n)
		} else {
			sockets = append(sockets, n)
		}
	}
	return sockets, stored
}

// maxInherited is the largest number of open files that Linux allows (fs.nr_open).
const maxInherited = 1 << 20

// claim makes the descriptors close-on-exec. If one of them is not open, it returns an error: the
// variables cannot be trusted then.
func claim(names []string) (all []Named, err error) {
	for i, name := range names {
		fd := firstFD + i
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return nil, fmt.Errorf("cannot take the sockets of the service manager: descriptor %d (%s) of "+
				"LISTEN_FDS=%d is not open: %w", fd, name, len(names), err)
		}
		all = append(all, Named{name, fd})
	}
	return all, nil
}

// WatchdogInterval is the time within which the manager expects Alive, and whether it expects it at
// all: WATCHDOG_USEC, if WATCHDOG_PID names this process (sd_watchdog_enabled(3)). Half of it is a
// good interval.
func WatchdogInterval(getenv func(string) string) (time.Duration, bool) {
	usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 || usec > int64(1<<63-1)/1000 {
		return 0, false
	}
	if pid := getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0, false
	}
	return time.Duration(usec) * time.Microsecond, true
}
