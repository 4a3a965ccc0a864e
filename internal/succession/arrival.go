package succession

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/systemd"
	"relevo/upgrader"
	"relevo/upgrader/listeners"
)

// Arrival says how this process became a master: as the first one of an app, or as the successor of
// another master, with its legacy.
type Arrival struct {
	Flip     Peer
	flip     *upgrader.Flip     // the same, as carriers of this package use it
	In       *upgrader.Received // the files of the legacy; nil: this is the first master
	Left     *Document          // the document of the legacy
	Way      Way                // tableflip, exec, asked or store
	patience time.Duration      // how long a successor of this master may take
	Sockets  []listeners.Socket // open sockets for a first master
	Stored   []string           // names of all files in systemd's store
	Lost     error              // why a legacy cannot be read
	Doubt    error              // a mistake that does not matter to a successor
	Checks   bool               // this process only shows whether it could take over
	Force    bool               // the previous master was told to stop the app by force
}

// upgradePatience is how long a new master may take until it is ready, unless
// RELEVO_UPGRADE_TIMEOUT says otherwise. It is needed before the configuration is read.
const upgradePatience = 30 * time.Second

func patienceWithSuccessor() (time.Duration, error) {
	text := os.Getenv("RELEVO_UPGRADE_TIMEOUT")
	if text == "" {
		return upgradePatience, nil
	}
	d, err := config.ParseDuration(text)
	if err == nil && d <= 0 {
		err = fmt.Errorf("cannot use %q as the patience with a new relevo: it must be longer than 0", text)
	}
	if err != nil {
		return upgradePatience, control.WithExit(fmt.Errorf("%w (environment variable RELEVO_UPGRADE_TIMEOUT)", err),
			control.ExitUsage)
	}
	return d, nil
}

// Arrive looks for the legacy of a previous master. It must run before anything opens files, starts
// processes or reads what only a first master needs. An error means that this process was started
// as a successor and cannot take over, or that a first master has a wrong environment.
//
// A program that only shows whether it could take over, before an exec, arrives in the same way: it
// does all that a successor does before it takes over, and ends.
func Arrive() (*Arrival, error) {
	settleOwnPath()
	patience, doubt := patienceWithSuccessor()
	a, err := arrive(patience)
	if err == nil && doubt != nil {
		if a.Doubt = doubt; a.First() {
			return nil, doubt
		}
	}
	return a, err
}

func arrive(patience time.Duration) (*Arrival, error) {
	flip, in, err := upgrader.NewFlip(patience)
	if err != nil {
		return nil, err
	}
	a := &Arrival{Flip: flip, flip: flip, In: in, Way: Tableflip, patience: patience}
	if a.In == nil {
		a.Way = Exec
		if a.In, err = upgrader.AfterExec(); err != nil {
			return nil, err
		}
	}
	if a.In == nil {
		if a.In, err = upgrader.BeforeExec(); err != nil {
			return nil, err
		}
		a.Checks = a.In != nil
	}
	if a.In == nil {
		return a, a.fromSystemd()
	}
	disown("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "WATCHDOG_PID")
	if a.Left, err = Read(a.In.Document); err != nil {
		a.In.Close()
		return nil, err
	}
	return a, nil
}

// Way is how a legacy comes from one master to the next.
type Way string

// The ways.
const (
	Tableflip Way = "tableflip" // a new process beside the previous master
	Exec      Way = "exec"      // the process of the previous master runs another program
	Asked     Way = "asked"     // a process that the previous master has not started asks for the legacy
	Store     Way = "store"     // the previous master died, and systemd has kept the legacy
)

// Reversible says whether the previous master keeps running if the next one cannot.
func (w Way) Reversible() bool { return w == Tableflip || w == Asked }

// disown removes variables from the environment that were read, or are about another process: later
// masters and workers would misread them.
func disown(names ...string) {
	for _, name := range names {
		os.Unsetenv(name)
	}
}

// fromSystemd takes the sockets of a .socket unit, and what a master that died had stored. If the
// legacy cannot be read, the app starts over: that is better than not serving.
func (a *Arrival) fromSystemd() error {
	named, err := systemd.Inherited(os.Getenv)
	disown("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
	if err != nil {
		return control.WithExit(fmt.Errorf("%w; start it without them, or correct the unit", err), control.ExitConfig)
	}
	sockets, kept := systemd.Split(named)
	for _, s := range sockets {
		a.Sockets = append(a.Sockets, listeners.Socket{Name: s.Name, FD: s.FD})
	}
	if len(kept) == 0 {
		return nil
	}
	a.Way = Store
	stored := map[string]int{}
	for _, file := range kept {
		stored[strings.TrimPrefix(file.Name, systemd.StoredPrefix)] = file.FD
	}
	a.Stored = slices.Sorted(maps.Keys(stored))
	a.In = upgrader.NewReceived(stored)
	a.readStored()
	return nil
}

// readStored reads what a master that died has left. If there is nothing to take over, it keeps the
// sockets.
func (a *Arrival) readStored() {
	err := a.In.Read()
	if err == nil {
		a.Left, err = Read(a.In.Document)
	}
	a.Lost = err
	if !a.Succeeds() {
		a.keepListeners()
	}
}

// keepListeners takes only the sockets from a legacy whose workers are gone, or cannot be adopted:
// clients may wait in them.
func (a *Arrival) keepListeners() {
	for _, name := range a.In.Names() {
		if listeners.IsFileName(name) {
			if fd, err := a.In.Take(name); err == nil {
				a.Sockets = append(a.Sockets, listeners.Socket{Name: name, FD: fd, Own: true})
			}
		}
	}
}

// SpareListeners copies the sockets of a legacy, in case the rest of it cannot be taken over.
func (a *Arrival) SpareListeners() (spare []listeners.Socket) {
	for _, name := range a.In.Names() {
		if listeners.IsFileName(name) {
			if fd, err := a.In.Copy(name); err == nil {
				spare = append(spare, listeners.Socket{Name: a.Left.listenerName(name), FD: fd, Own: true})
			}
		}
	}
	return spare
}

// listenerName is the name of a socket in the serving configuration, which identifies a socket on
// port 0. For other sockets it is the name of the file.
func (l *Document) listenerName(file string) string {
	for _, known := range l.Listeners {
		if listeners.FileName(known.ID) == file && slices.Contains(l.Wanted, known.Listen) {
			return known.Listen.Name
		}
	}
	return file
}

// Succeeds says whether there are workers of another master to adopt.
func (a *Arrival) Succeeds() bool { return a != nil && a.Left != nil && !a.Left.Stopped }

// First says that there can be no workers of another master: there is no legacy, or it has only the
// sockets of an app that has ended.
func (a *Arrival) First() bool {
	return a == nil || a.In == nil || a.Left != nil && a.Left.Stopped
}

// Restarted says whether the service manager, and not another master, has started this process.
func (a *Arrival) Restarted() bool { return a != nil && a.Way == Store }

// Activated returns the open sockets for a first master: those of a .socket unit, and those that
// the app had before a restart.
func (a *Arrival) Activated() (sockets []listeners.Socket) {
	if a == nil {
		return nil
	}
	return a.Sockets
}

// CloseSockets closes the sockets of a first master.
func (a *Arrival) CloseSockets() {
	for _, s := range a.Sockets {
		syscall.Close(s.FD)
	}
	a.Sockets = nil
}

// App returns the configuration that the previous master was serving, and false if there was none.
func (a *Arrival) App() (config.App, bool) {
	if a == nil || a.Left == nil {
		return config.App{}, false
	}
	for _, g := range a.Left.Generations {
		if g.Key == a.Left.Serving {
			return g.App, true
		}
	}
	return config.App{}, false
}

// Origin returns the origin in the previous master's legacy, and false if there is none.
func (a *Arrival) Origin() (Origin, bool) {
	if a == nil || !a.Succeeds() || a.Left.Origin.Dir == "" {
		return Origin{}, false
	}
	return a.Left.Origin, true
}

// Places returns the places of the previous master, because its workers and clients use them: a new
// search for a usable place may find another one. After a start by the service manager the
// environment names them.
func (a *Arrival) Places(now config.Places) config.Places {
	if left, known := a.Origin(); known && !a.Restarted() {
		return config.Places{Runtime: left.Runtime, State: left.State}
	}
	return now
}
