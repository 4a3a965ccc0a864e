package systemd

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"relevo/internal/procfs"
)

// Store gives the manager a copy of a file. The manager keeps it when the service restarts or
// crashes, and passes it to the next main process (Inherited). It keeps several files under one
// name; a file that is stored twice is kept once. Store does not change the file. A nil error does
// not prove that the manager keeps the file: see StoreSize.
func (n *Notifier) Store(name string, file *os.File) error {
	if err := CheckFDName(name); err != nil {
		return err
	}
	if n.address == "" {
		return nil
	}
	// FDPOLL=0: otherwise the manager drops a file with an error or a hangup, such as a socket
	// whose other end is closed, or a listener that was shut down.
	return n.sendFile("FDSTORE=1\nFDNAME="+name+"\nFDPOLL=0", file)
}

// Discard makes the manager close all files of a name.
func (n *Notifier) Discard(name string) {
	if err := CheckFDName(name); err != nil {
		n.failed(err)
		return
	}
	n.notify("FDSTOREREMOVE=1\nFDNAME=" + name)
}

// maxFDName is systemd's FDNAME_MAX.
const maxFDName = 255

// CheckFDName says whether systemd accepts a name for a file: 1 to 255 printable ASCII characters
// without ':'. With another name systemd silently drops the file, or stores it as "stored".
func CheckFDName(name string) error {
	bad := func(r rune) bool { return r < ' ' || r > '~' || r == ':' }
	if name == "" || len(name) > maxFDName || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("cannot use %q as the name of a stored file: 1 to %d printable ASCII characters "+
			"without ':' are allowed", name, maxFDName)
	}
	return nil
}

// sendFile sends a message with a file. It does not use File.Fd, which would remove the file from
// the runtime's poller and make it blocking for every process that shares it.
func (n *Notifier) sendFile(message string, file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return fmt.Errorf("cannot give a file to the service manager: %w", err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = send(n.address, message, []int{int(fd)}, sendPatience) })
	return errors.Join(err, failed)
}

// StoreSize is the number of files that the manager keeps for this service; 0 without a manager.
// Since systemd 254 FDSTORE has it; for an older one systemctl is asked, for two seconds at most.
// known is false if neither can tell.
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

// ownUnit is the service of this process, empty if there is none, and whether it belongs to a
// user's manager.
func ownUnit() (unit string, user bool) { return unitOf(procfs.Self.Cgroup("")) }

// unitOf parses a path of cgroup v2. The services of a user's manager are below user@UID.service;
// below a service are the cgroups that it has made itself (Delegate=).
func unitOf(path string) (unit string, user bool) {
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case !strings.HasSuffix(part, ".service"):
		case strings.HasPrefix(part, "user@") && unit == "":
			user = true
		case unit == "":
			unit = strings.TrimPrefix(part, "_") // systemd escapes reserved names of cgroups with an underscore
		}
	}
	return unit, user && unit != ""
}
