// Package testleft finds what the tests of a package leave behind: goroutines, descriptors and
// children. Each function returns a complaint, or an empty text if nothing is left.
package testleft

import (
	"fmt"
	"os"
	"strings"
	"time"

	"go.uber.org/goleak"

	"relevo/internal/procfs"
)

// Judge prints the complaints and returns the exit code of a TestMain: 1 if there is one, code
// otherwise.
func Judge(code int, complaints ...string) int {
	for _, complaint := range complaints {
		if complaint != "" {
			fmt.Fprintln(os.Stderr, complaint)
			code = 1
		}
	}
	return code
}

// Goroutines waits for those that end by themselves: on a busy machine a look at a process that has
// just gone takes its time.
func Goroutines() string {
	const tooLong = 30 * time.Second
	for deadline := time.Now().Add(tooLong); ; {
		err := goleak.Find()
		if err == nil {
			return ""
		}
		if time.Now().After(deadline) {
			return fmt.Sprintf("goroutines are left: %v", err)
		}
	}
}

// OpenFiles lists what this process has open, as DESCRIPTOR=TARGET. The runtime's own poller is
// opened first, so that it is there at each count.
func OpenFiles() (open []string) {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			open = append(open, entry.Name()+"="+target)
		}
	}
	return open
}

// Files compares with what was open before.
func Files(before []string) string {
	if after := OpenFiles(); len(after) > len(before) {
		return fmt.Sprintf("descriptors are left:\nbefore %q\nafter  %q", before, after)
	}
	return ""
}

// Sockets finds any open socket.
func Sockets() string {
	for _, open := range OpenFiles() {
		if strings.Contains(open, "=socket:") {
			return "a socket is left: " + open
		}
	}
	return ""
}

// Children finds running children and zombies alike.
func Children() string {
	var all []string
	for _, pid := range procfs.Tree(os.Getpid())[1:] {
		all = append(all, fmt.Sprintf("%d %s", pid, procfs.Of(pid).Name()))
	}
	if len(all) > 0 {
		return fmt.Sprintf("child processes are left: %q", all)
	}
	return ""
}
