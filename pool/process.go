package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"relevo/internal/config"
	"relevo/internal/ipc"
)

// Release starts the workers of one generation. All of them run the same bytes
// with the same configuration. Its methods are called from several goroutines.
type Release interface {
	// Start starts a worker's process. Afterwards it reports to sink what the process does,
	// from any goroutine; Exited comes last. sink may block until Start has returned, so
	// Start must not call it itself. An error means that there is no process and that sink
	// will not be called. The master is to blame for it, never the program; a *MasterError
	// says what to do about it.
	Start(o Order, sink func(Report)) (Process, error)
	// Adopt takes over a process that another master started for the order, from the legacy
	// of that master's Process. It changes nothing about the process. It reports to sink as
	// Start does, but only what happens from now on.
	Adopt(o Order, l ProcessLegacy, sink func(Report)) (Process, error)
	// Legacy is what a later master needs to rebuild this release.
	Legacy() ReleaseLegacy
	// Info describes the release for people.
	Info() Info
	// Addresses are those of the listening sockets that workers inherit.
	Addresses() []string
	// Close frees what the release holds. It is called when no worker of it is left and none
	// will be started.
	Close() error
}

// Info describes a release.
type Info struct {
	Path    string `json:"path"`              // of the executable
	SHA256  string `json:"sha256,omitempty"`  // of its bytes, and of Directory where there is one; hexadecimal
	Version string `json:"version,omitempty"` // if the bytes contain one
	// Directory is the real directory of the release, if its path contains a symbolic link.
	Directory string `json:"directory,omitempty"`
}

// Order says which worker to start.
type Order struct {
	ID         string // unique in the life of the app
	Slot       int
	Generation int
	Canary     bool // it is the first worker of a roll, and on trial until Process.Admit
}

// Process is a running worker.
type Process interface {
	PID() int
	// Send queues a message for the worker. It never blocks.
	Send(ipc.Message) error
	// Signal sends a signal to the worker's main process.
	Signal(syscall.Signal) error
	// Terminate sends the release's stop signal to the worker's main process.
	Terminate() error
	// Admit ends the trial of a worker that was ordered as a canary: it gets clients like
	// all others.
	Admit()
	// Kill sends SIGKILL to the worker's process group.
	Kill() error
	// Tail returns the last lines that the worker has written, oldest first.
	Tail() []string
	// Legacy is what a later master needs to adopt the process if this one dies now. The
	// Process still owns the files.
	Legacy() ProcessLegacy
	// Detach is Legacy for a succession. When it has returned, nothing is reported any more,
	// messages and output that were not read yet are part of the legacy, the process runs on
	// undisturbed, and the caller owns the files. The error is ErrGone if the process has
	// ended: Exited is reported then. After any other error the Process runs as before.
	// Detach returns when ctx ends at the latest.
	Detach(ctx context.Context) (ProcessLegacy, error)
}

// ErrGone is returned by Process.Detach.
var ErrGone = errors.New("pool: the process has ended")

// ProcessLegacy is a worker's process on its way from one master to the next.
type ProcessLegacy struct {
	State   json.RawMessage
	Files   map[string]*os.File // by a name that is unique in the process
	Unready bool                // the pool has not heard that the worker is ready
}

// ReleaseLegacy is a release on its way from one master to the next.
type ReleaseLegacy struct {
	State json.RawMessage
	Files map[string]*os.File // by a name that is unique in the release
}

// Report is something that a Process reports. The set is closed.
type Report interface{ report() }

// Online: the worker's own program runs (the shim has exec'd it).
type Online struct{}

// Ready: the worker serves. How says how that is known: notify, ipc, listening (a Node
// server), accepted, observed, delay or alive.
type Ready struct{ How string }

// Captured: the worker's program has bound an address and got a socket of the
// master's.
type Captured struct{ Address string }

// Persist: Legacy has changed, and the process waits. Done is called when a later master
// would know of the change, even if this one is killed. It is not called if the worker has
// ended, or is detached.
type Persist struct{ Done func() }

// Listening: the worker listens on captured addresses. Each address is reported once.
type Listening struct{ Addresses []string }

// FilesAdded: Legacy has more files of the process than before.
type FilesAdded struct{}

// Said: a message of the worker, Ready excepted.
type Said struct{ Message ipc.Message }

// Alive: the worker gave a sign of life, WATCHDOG=1.
type Alive struct{}

// Unseen: the master cannot see whether the worker is ready. An empty Reason means that
// it can see it again.
type Unseen struct{ Reason string }

// Obstructed: Hint says what probably keeps a starting worker from getting ready, and
// what to do. An empty Hint means that the obstacle has gone.
type Obstructed struct{ Hint string }

// Hung: the worker has to be replaced at once, because it said so itself
// (WATCHDOG=trigger) or because it does harm.
type Hung struct{ Reason string }

// Unhealthy: the starting worker fails its health check, and therefore does not get
// ready.
type Unhealthy struct{ Reason string }

// Flooding: the worker writes more than is read. What says what was done about it.
type Flooding struct{ What string }

// Disconnected: the worker's channel is closed. Reason is empty if the worker closed it
// or died.
type Disconnected struct{ Reason string }

// Exited: the process and its process group have ended.
type Exited struct {
	Status ExitStatus
	Hint   string // what the user should look at, empty if Status is enough
	// Unstarted is set where the worker's program never ran because of the master.
	Unstarted *MasterError
	// Connections are those of a worker that was led out, nil of any other.
	Connections *Connections
	// Again: it was starting, and was ended because the previous master had died: it
	// is started again.
	Again bool
}

// RelayCut: a relay has cut connections that had been counted as rescued. It may come
// after Exited.
type RelayCut struct{ Count int }

// NotHandedOver: connections that had been counted as handed over went to a relay, or
// were cut. It may come after Exited.
type NotHandedOver struct{ Rescued, Cut int }

func (NotHandedOver) report() {}
func (Online) report()        {}
func (Ready) report()         {}
func (Captured) report()      {}
func (Persist) report()       {}
func (Listening) report()     {}
func (FilesAdded) report()    {}
func (Said) report()          {}
func (Alive) report()         {}
func (Unseen) report()        {}
func (Obstructed) report()    {}
func (Hung) report()          {}
func (Unhealthy) report()     {}
func (Flooding) report()      {}
func (Disconnected) report()  {}
func (Exited) report()        {}
func (RelayCut) report()      {}

// ExitStatus is how a process ended: by exit with a code, or by a signal.
type ExitStatus struct {
	Code   int
	Signal syscall.Signal // 0: it exited
	Core   bool           // a core was dumped
	// OutOfMemory: the kernel's out-of-memory killer ended it, or, where it exited
	// with a code, a process that it had started.
	OutOfMemory bool
	// Error is set instead if the process, or its own program, did not start: the reason.
	Error string
	// Said is the line of its output that explains the exit, empty if there is none.
	Said string
}

// String is the text for people: "exit status 1: panic: no database", "killed by
// SIGSEGV".
func (s ExitStatus) String() string {
	if s.Said != "" {
		return s.how() + ": " + s.Said
	}
	return s.how()
}

func (s ExitStatus) how() string {
	switch {
	case s.Error != "":
		return s.Error
	case s.OutOfMemory && s.Signal == 0:
		return fmt.Sprintf("exit status %d (a process of it was killed by the kernel: out of memory)", s.Code)
	case s.OutOfMemory:
		return "killed by the kernel: out of memory"
	case s.Signal != 0 && s.Core:
		return fmt.Sprintf("killed by %s (core dumped)", config.SignalName(s.Signal))
	case s.Signal != 0:
		return "killed by " + config.SignalName(s.Signal)
	}
	return "exit status " + strconv.Itoa(s.Code)
}

// MarshalJSON gives {"code":1} or {"signal":"SIGSEGV"} with a readable "text".
func (s ExitStatus) MarshalJSON() ([]byte, error) {
	out := map[string]any{"text": s.String()}
	switch {
	case s.Error != "":
	case s.Signal != 0:
		out["signal"] = config.SignalName(s.Signal)
	default:
		out["code"] = s.Code
	}
	if s.OutOfMemory {
		out["oom"] = true
	}
	if s.Said != "" {
		out["said"] = s.Said
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *ExitStatus) UnmarshalJSON(data []byte) error {
	var in struct {
		Code   *int
		Signal string
		Text   string
		OOM    bool
		Said   string
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*s = ExitStatus{OutOfMemory: in.OOM, Said: in.Said}
	switch {
	case in.Signal != "":
		sig, err := config.ParseSignal(in.Signal)
		s.Signal, s.Core = sig, strings.Contains(in.Text, " (core dumped)")
		return err
	case in.Code != nil:
		s.Code = *in.Code
	default:
		s.Error = strings.TrimSuffix(in.Text, ": "+in.Said)
	}
	return nil
}
