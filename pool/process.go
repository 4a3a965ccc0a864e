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
	// Start makes a worker's process. What the process does afterwards is told to
	// sink, from any goroutine, Exited last. sink may wait until Start has returned,
	// so Start must not call it itself. An error means that there is no process and
	// that sink will not be called. It is taken for the master's, never for the
	// program's; a *MasterError says what to do about it.
	Start(o Order, sink func(Report)) (Process, error)
	// Adopt takes over a process that another master started for the order, from
	// what that one's Process left. It touches neither the process nor what it was
	// given. Reports are told as by Start, those of what has happened before left
	// out.
	Adopt(o Order, l ProcessLegacy, sink func(Report)) (Process, error)
	// Legacy is what a later master needs to make this release again.
	Legacy() ReleaseLegacy
	// Info describes the release for people.
	Info() Info
	// Addresses are those that the workers inherit listening sockets for.
	Addresses() []string
	// Close ends the release: no worker is started from it any more, and none of
	// its workers is left.
	Close() error
}

// Info describes a release.
type Info struct {
	Path    string `json:"path"`              // of the executable
	SHA256  string `json:"sha256,omitempty"`  // of its bytes, and of Directory where there is one; hexadecimal
	Version string `json:"version,omitempty"` // where the bytes tell it
	// Directory is where it lies, if a symbolic link decides about that.
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
	// Legacy is what a later master needs to adopt the process if this one dies
	// now. The files stay the Process's.
	Legacy() ProcessLegacy
	// Detach is Legacy for a succession: when it returns, nothing is reported any
	// more, what was said and not heard is part of the legacy, the process is left
	// as it is, and the files are the caller's. The error is ErrGone where the
	// process has ended: Exited is reported then. It returns when ctx ends at the
	// latest; after any other error the Process goes on.
	Detach(ctx context.Context) (ProcessLegacy, error)
}

// ErrGone is returned by Process.Detach.
var ErrGone = errors.New("pool: the process has ended")

// ProcessLegacy is a worker's process on its way from one master to the next.
type ProcessLegacy struct {
	State json.RawMessage
	Files map[string]*os.File // by a name that is unique in the process
}

// ReleaseLegacy is a release on its way from one master to the next.
type ReleaseLegacy struct {
	State json.RawMessage
	Files map[string]*os.File // by a name that is unique in the release
}

// Report is what a Process tells. The set is closed.
type Report interface{ report() }

// Online: the worker's own program runs (the launcher has exec'd it).
type Online struct{}

// Ready: the worker serves. How says who said so: notify, ipc, listening (a server of
// Node's), accepted, observed, delay or alive.
type Ready struct{ How string }

// Captured: the worker's program has bound an address and got a socket of the
// master's.
type Captured struct{ Address string }

// Listening: it waits for clients on addresses that it has captured, which no Listening
// has told before.
type Listening struct{ Addresses []string }

// FilesAdded: Legacy names more files of the process than when it was started.
type FilesAdded struct{}

// Said: a message of the worker, Ready excepted.
type Said struct{ Message ipc.Message }

// Alive: the worker gave a sign of life, WATCHDOG=1.
type Alive struct{}

// Unseen: the master cannot see whether the worker is ready, or, where Reason is
// empty, can see it again.
type Unseen struct{ Reason string }

// Obstructed: the worker starts, and Hint says what seems to keep it from getting
// ready, and what to do; empty: nothing is seen any more.
type Obstructed struct{ Hint string }

// Hung: the worker is past help. It said so itself (WATCHDOG=trigger), or it does
// harm; the pool replaces it.
type Hung struct{ Reason string }

// Unhealthy: the worker answers badly when it is asked, which is why it does not get
// ready.
type Unhealthy struct{ Reason string }

// Flooding: the worker says more than is read; what was done about it.
type Flooding struct{ What string }

// Disconnected: the worker's channel is closed. Reason is empty where the worker
// closed it, by its death or otherwise.
type Disconnected struct{ Reason string }

// Exited: the process is gone, and its process group with it.
type Exited struct {
	Status ExitStatus
	Hint   string // what a person should look at, empty where Status says it all
	// Unstarted is set where the worker's program never ran because of the master.
	Unstarted *MasterError
	// Connections are those of a worker that was led out, nil of any other.
	Connections *Connections
}

// RelayCut: a relay has cut connections that had been told as rescued. It may come after
// Exited.
type RelayCut struct{ Count int }

// NotHandedOver: connections that had been told as handed over are with a relay, or cut. It
// may come after Exited.
type NotHandedOver struct{ Rescued, Cut int }

func (NotHandedOver) report() {}
func (Online) report()        {}
func (Ready) report()         {}
func (Captured) report()      {}
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
	// Error is set instead where no process came to be, or none of its own: why.
	Error string
	// Said is the line of its output that says why, empty where none does.
	Said string
}

// String says it in words: "exit status 1: panic: no database", "killed by SIGSEGV".
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
