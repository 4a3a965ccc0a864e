// Package doctor says what this kernel, service manager, user and configuration
// can and cannot do for relevo: each Finding with its consequence and its remedy.
//
// What has to be tried is tried once, by Probe. The checks decide from what they
// find in a Host alone, whose files may lie under any root.
package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"relevo/internal/config"
)

// Status is how a finding is to be taken.
type Status string

// The statuses.
const (
	OK   Status = "ok"   // nothing to be done
	Warn Status = "warn" // something is weaker or missing; relevo works
	Bad  Status = "bad"  // something that was asked for will not work
)

// Finding is one line of the doctor. Consequence and Remedy are empty where there
// is nothing to say or to do.
type Finding struct {
	Check       string `json:"check"`
	Status      Status `json:"status"`
	Found       string `json:"found"`
	Consequence string `json:"consequence,omitempty"`
	Remedy      string `json:"remedy,omitempty"`
}

// Host is what the checks look at.
type Host struct {
	Root   string // before every path; empty: none
	UID    int
	User   string // its name, empty where it has none
	Places config.Places
	CPUs   int // that this process may use
	Probes Probes
	// Systemctl runs that program and returns what it printed; user asks the
	// user's own manager.
	Systemctl func(user bool, args ...string) (string, error)
	Patience  Patience

	ConfigFile   string     // empty: there is none
	ConfigErrors []error    // each with its place
	App          config.App // valid where Configured
	Configured   bool
	Program      string // the executable, absolute; empty where it was not found
	CommandError error  // why it cannot be run
	Wanted       string // the name that was asked about, empty for none
	Running      *Running
}

// Running is the master of the app, if it runs.
type Running struct {
	Name      string
	PID       int
	Version   string
	Addresses []string // that it holds
	Warnings  []string // of its status
}

// Patience is how long somebody waits between the polite signal and SIGKILL.
type Patience struct {
	Max time.Duration // 0: nobody is known to wait
	Of  string        // "docker stop"
	How string        // to get more, with %d for seconds
}

// Examine runs every check, in the order in which a reader wants them.
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

// AnyBad says whether something will not work.
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

// but adds what follows from a finding, and what to do about it.
func (f Finding) but(s Status, consequence, remedy string) Finding {
	f.Status, f.Consequence, f.Remedy = s, consequence, remedy
	return f
}

// read returns a file's text without white space around it, empty where it
// cannot be read.
func (h *Host) read(path string) string {
	text, _ := os.ReadFile(filepath.Join(h.Root, path))
	return strings.TrimSpace(string(text))
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
