package systemd

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"relevo/internal/procfs"
)

// Store gives the manager a copy of a file, which it keeps over a restart of the
// service and over its crash and hands to the next main process (Inherited). Of
// several files under one name it keeps all; of one file stored twice, one. The
// file itself stays as it is. That nothing went wrong does not say that the
// manager keeps it: see StoreSize.
func (n *Notifier) Store(name string, file *os.File) error {
	if err := CheckFDName(name); err != nil {
		return err
	}
	if n.address == "" {
		return nil
	}
	// FDPOLL=0: the manager would drop a file that reports an error or a hangup,
	// as a socket does whose other end is gone, and a listener that was shut down.
	return n.sendFile("FDSTORE=1\nFDNAME="+name+"\nFDPOLL=0", file)
}

// Discard makes the manager close all files that it keeps under a name.
func (n *Notifier) Discard(name string) {
	if err := CheckFDName(name); err != nil {
		n.failed(err)
		return
	}
	n.notify("FDSTOREREMOVE=1\nFDNAME=" + name)
}

// maxFDName is systemd's FDNAME_MAX.
const maxFDName = 255

// CheckFDName says whether systemd takes a name for a file: 1 to 255 printable
// ASCII characters without ':'. It drops what is stored under another one in
// silence, or stores it under the name "stored".
func CheckFDName(name string) error {
	bad := func(r rune) bool { return r < ' ' || r > '~' || r == ':' }
	if name == "" || len(name) > maxFDName || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("cannot use %q as the name of a stored file: 1 to %d printable ASCII characters "+
			"without ':' are allowed", name, maxFDName)
	}
	return nil
}

// sendFile sends a message with a file. Fd of the file would take it out of the
// runtime's poller and make it blocking, for all that share it.
func (n *Notifier) sendFile(message string, file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return fmt.Errorf("cannot give a file to the service manager: %w", err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = send(n.address, message, []int{int(fd)}, sendPatience) })
	return errors.Join(err, failed)
}

// StoreSize is the number of files that the manager keeps for this service, 0
// where there is no manager. Since systemd 254 FDSTORE says it; an older one is
// asked by systemctl, for at most two seconds. known is false where it cannot be
// told.
func StoreSize(getenv func(string) string) (n int, known bool) {
	if getenv("NOTIFY_SOCKET") == "" {
		return 0, true
	}
	if text := getenv("FDSTORE"); text != "" {
		n, err := strconv.Atoi(text)
		return max(n, 0), err == nil && n >= 0
	}
	unit, user := ownUnit()
	if unit == "" {
		return 0, false
	}
	out, err := ask(user, "show", "-P", "FileDescriptorStoreMax", unit)
	if err != nil {
		return 0, false
	}
	n, err = strconv.Atoi(out)
	return n, err == nil
}

// ownUnit is the service that this process belongs to, empty if none, and whether
// it is one of a user's manager.
func ownUnit() (unit string, user bool) { return unitOf(procfs.Self.Cgroup("")) }

// unitOf reads a path of cgroup v2. Below a user's manager, itself the
// service user@UID.service, lie that user's own; below a service, what it has
// made in a delegated cgroup.
func unitOf(path string) (unit string, user bool) {
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case !strings.HasSuffix(part, ".service"):
		case strings.HasPrefix(part, "user@") && unit == "":
			user = true
		case unit == "":
			unit = strings.TrimPrefix(part, "_") // as names are written that cgroups reserve
		}
	}
	return unit, user && unit != ""
}
