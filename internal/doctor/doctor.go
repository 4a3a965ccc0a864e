// Package doctor says what this kernel, service manager, user and configuration
// can and cannot do for relevo: each Finding with its consequence and its remedy.
//
// Probe tries out, once, what can only be tried. The checks decide from the results in a
// Host alone; its files may be below any root.
package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"relevo/internal/config"
	"relevo/internal/procfs"
)

// Status is the severity of a finding.
type Status string

const (
	OK   Status = "ok"   // nothing to be done
	Warn Status = "warn" // something is weaker or missing; relevo works
	Bad  Status = "bad"  // something that was asked for will not work
)

// Finding is one line of the doctor. Consequence and Remedy may be empty.
type Finding struct {
	Check       string `json:"check"`
	Status      Status `json:"status"`
	Found       string `json:"found"`
	Consequence string `json:"consequence,omitempty"`
	Remedy      string `json:"remedy,omitempty"`
}

// Host has the facts for the checks.
type Host struct {
	Root   string // prefix of every path; empty: none
	UID    int
	User   string // name of the user; empty: it has none
	Places config.Places
	CPUs   int // available to this process
	Probes Probes
	// Systemctl runs systemctl and returns its output; user selects the user's own manager.
	Systemctl func(user bool, args ...string) (string, error)
	Patience  Patience

	ConfigFile   string     // empty: there is none
	ConfigErrors []error    // each with its place
	App          config.App // valid if Configured
	Configured   bool
	Program      string // absolute path of the executable; empty: not found
	CommandError error  // the reason why the command cannot be run
	Wanted       string // name on the command line; empty: none
	Running      *Running
}

// Running is the master of the app, if it runs.
type Running struct {
	Name      string
	PID       int
	Version   string
	Addresses []string // of its listeners
	Warnings  []string // from its status
}

// Patience is the time between the stop signal and SIGKILL that a container's runtime allows.
type Patience struct {
	Max time.Duration // 0: no limit is known
	Of  string        // "docker stop"
	How string        // how to raise it, with %d for seconds
}

// Examine runs every check, in the order of the output.
func Examine(h *Host) (all []Finding) {
	checks := []func(*Host) []Finding{
		kernel, features, captures, cgroups, inotify, // the kernel
		manager, unit, linger, // systemd
		user, files, tasks, queue, flood, processes, clock, // the machine and the user's rights
		runtimeDir, stateDir, reflinks,
		configuration, command, master, listeners, patience, workers, watchdog,
	}
	for _, check := range checks {
		all = append(all, check(h)...)
	}
	return all
}

// AnyBad says whether a finding is Bad.
func AnyBad(findings []Finding) bool {
	for _, f := range findings {
		if f.Status == Bad {
			return true
		}
	}
	return false
}

func ok(check, found string, args ...any) Finding {
	return Finding{Check: check, Status: OK, Found: fmt.Sprintf(found, args...)}
}

// but sets the status of a finding, its consequence and its remedy.
func (f Finding) but(s Status, consequence, remedy string) Finding {
	f.Status, f.Consequence, f.Remedy = s, consequence, remedy
	return f
}

// read returns a file's text, trimmed; empty if it cannot be read.
func (h *Host) read(path string) string {
	text, _ := os.ReadFile(filepath.Join(h.Root, path))
	return strings.TrimSpace(string(text))
}

// self is this process, as the Host shows it.
func (h *Host) self() procfs.Process {
	return procfs.Process(filepath.Join(h.Root, string(procfs.Self)))
}

// number returns the first number of a file.
func (h *Host) number(path string) (n int, found bool) {
	fields := strings.Fields(h.read(path))
	if len(fields) == 0 {
		return 0, false
	}
	n, err := strconv.Atoi(fields[0])
	return n, err == nil
}

func (h *Host) exists(path string) bool {
	_, err := os.Lstat(filepath.Join(h.Root, path))
	return err == nil
}
