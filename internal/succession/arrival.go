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
)

// Arrival is how this process came to be a master: the first one of an app, or the
// successor of another, with what that one has left.
type Arrival struct {
	Flip     Peer
	flip     *upgrader.Flip     // the same, where carriers of this package use it
	In       *upgrader.Received // nil: it is the first
	Left     *Document          // what in's document says
	Way      Way                // tableflip, exec, asked or store
	patience time.Duration      // with a successor
	Sockets  []upgrader.Socket  // that are open for a first master
	Stored   []string           // names of all files in systemd's store
	Lost     error              // why a legacy was found and cannot be read
	Doubt    error              // what is wrong and does not matter to a successor
	Checks   bool               // it only looks whether it could go on
	Force    bool               // the previous master was told to stop the app by force
}

// upgradePatience is how long a new master may take to say that it goes on, unless
// RELEVO_UPGRADE_TIMEOUT says otherwise. It has to be known before the configuration.
const upgradePatience = 30 * time.Second

func patienceWithSuccessor() (time.Duration, error) {
	text := os.Getenv("RELEVO_UPGRADE_TIMEOUT")
	if text == "" {
		return upgradePatience, nil
	}
	d, err := config.ParseDuration(text)
	if err == nil && d <= 0 {
		err = fmt.Errorf("cannot use %q as the patience with a new relevo: it must be more than nothing", text)
	}
	if err != nil {
		return upgradePatience, control.WithExit(fmt.Errorf("%w (environment variable RELEVO_UPGRADE_TIMEOUT)", err),
			control.ExitUsage)
	}
	return d, nil
}

// Arrive looks for what another master has left to this process. It has to come
// before anything opens files or starts processes, and before anything is read that
// only a first master needs. An error means that this process was started to succeed
// another one, and cannot, or that it is a first one with a wrong environment.
//
// A program that is only asked whether it could go on, before a master becomes it,
// arrives in the same way: its master does all that a successor does before it takes
// over, and ends.
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
	Tableflip Way = "tableflip" // another process goes on, beside the previous master
	Exec      Way = "exec"      // the process of the previous master goes on as another program
	Asked     Way = "asked"     // a process that the previous master has not started asks for it, and goes on
	Store     Way = "store"     // the previous master died, and systemd has kept it
)

// Reversible says whether the previous master goes on where the next one cannot.
func (w Way) Reversible() bool { return w == Tableflip || w == Asked }

// disown takes variables out of the environment that speak of another process, or
// have been read: later masters and everybody else would misread them.
func disown(names ...string) {
	for _, name := range names {
		os.Unsetenv(name)
	}
}

// fromSystemd takes what the service manager passes: sockets of a .socket unit, and
// what a master that died had stored. One that cannot be read is a reason to begin
// anew, and not to serve nobody.
func (a *Arrival) fromSystemd() error {
	named, err := systemd.Inherited(os.Getenv)
	disown("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
	if err != nil {
		return control.WithExit(fmt.Errorf("%w; start it without them, or correct the unit", err), control.ExitConfig)
	}
	sockets, kept := systemd.Split(named)
	for _, s := range sockets {
		a.Sockets = append(a.Sockets, upgrader.Socket{Name: s.Name, FD: s.FD})
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

// readStored reads what a master that died has left. Where there is nothing to go on with the
// sockets are kept.
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

// keepListeners takes the sockets alone out of a legacy whose workers are gone, or
// cannot be gone on with: clients may wait in them.
func (a *Arrival) keepListeners() {
	for _, name := range a.In.Names() {
		if upgrader.IsListenerFile(name) {
			if fd, err := a.In.Take(name); err == nil {
				a.Sockets = append(a.Sockets, upgrader.Socket{Name: name, FD: fd, Own: true})
			}
		}
	}
}

// SpareListeners copies the sockets of a legacy, for the case that it turns out to be
// one that cannot be gone on with.
func (a *Arrival) SpareListeners() (spare []upgrader.Socket) {
	for _, name := range a.In.Names() {
		if upgrader.IsListenerFile(name) {
			if fd, err := a.In.Copy(name); err == nil {
				spare = append(spare, upgrader.Socket{Name: a.Left.listenerName(name), FD: fd, Own: true})
			}
		}
	}
	return spare
}

// listenerName is what the serving configuration calls the socket in a file, by which
// one on port 0 is found again, and the file's name where it is another's.
func (l *Document) listenerName(file string) string {
	for _, known := range l.Listeners {
		if upgrader.ListenerFile(known.ID) == file && slices.Contains(l.Wanted, known.Listen) {
			return known.Listen.Name
		}
	}
	return file
}

// Succeeds says whether another master's workers are to be taken over.
func (a *Arrival) Succeeds() bool { return a != nil && a.Left != nil && !a.Left.Stopped }

// First says whether no workers of another master can be there: nothing was left, or
// the sockets of an app that has ended.
func (a *Arrival) First() bool {
	return a == nil || a.In == nil || a.Left != nil && a.Left.Stopped
}

// Restarted says whether the service manager has started this process, by its own
// words, and no other master.
func (a *Arrival) Restarted() bool { return a != nil && a.Way == Store }

// Activated are the sockets that are open for a first master: those of a .socket
// unit, and those that the app had before a restart.
func (a *Arrival) Activated() (sockets []upgrader.Socket) {
	if a == nil {
		return nil
	}
	return a.Sockets
}

// CloseSockets lets go of the sockets of a first master.
func (a *Arrival) CloseSockets() {
	for _, s := range a.Sockets {
		syscall.Close(s.FD)
	}
	a.Sockets = nil
}

// App is the configuration of what the master before was serving. It says false
// where there was none.
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

// Origin is that of the previous master. It says false where there was none, or one
// that did not tell.
func (a *Arrival) Origin() (Origin, bool) {
	if a == nil || !a.Succeeds() || a.Left.Origin.Dir == "" {
		return Origin{}, false
	}
	return a.Left.Origin, true
}

// Places are those of the previous master, where its workers and clients look: to look
// for a usable place again may find another one. After a start by the service manager
// the environment says where they are.
func (a *Arrival) Places(now config.Places) config.Places {
	if left, known := a.Origin(); known && !a.Restarted() {
		return config.Places{Runtime: left.Runtime, State: left.State}
	}
	return now
}
