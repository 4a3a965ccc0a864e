package master

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/generations"
	"relevo/internal/hangup"
	"relevo/systemd"
	"relevo/upgrader"
)

// Arrival is how this process came to be a master: the first one of an app, or the
// successor of another, with what that one has left.
type Arrival struct {
	flip     *upgrader.Flip
	in       *upgrader.Received // nil: it is the first
	legacy   *legacy            // what in's document says
	how      string             // tableflip, exec or store
	patience time.Duration      // with a successor
	sockets  []upgrader.Socket  // that are open for a first master
	stored   []string           // names of all files in systemd's store
	lost     error              // why a legacy was found and cannot be read
	doubt    error              // what is wrong and does not matter to a successor
	checks   bool               // it only looks whether it could go on
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
		if a.doubt = doubt; a.First() {
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
	a := &Arrival{flip: flip, in: in, how: howTableflip, patience: patience}
	if a.in == nil {
		a.how = howExec
		if a.in, err = upgrader.AfterExec(); err != nil {
			return nil, err
		}
	}
	if a.in == nil {
		if a.in, err = upgrader.BeforeExec(); err != nil {
			return nil, err
		}
		a.checks = a.in != nil
	}
	if a.in == nil {
		return a, a.fromSystemd()
	}
	disown("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "WATCHDOG_PID")
	if a.legacy, err = readLegacy(a.in.Document); err != nil {
		a.in.Close()
		return nil, err
	}
	return a, nil
}

// The ways of a succession.
const (
	howTableflip = "tableflip"
	howExec      = "exec"
	howStore     = "store"
)

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
		a.sockets = append(a.sockets, upgrader.Socket{Name: s.Name, FD: s.FD})
	}
	if len(kept) == 0 {
		return nil
	}
	a.how = howStore
	stored := map[string]int{}
	for _, file := range kept {
		stored[strings.TrimPrefix(file.Name, systemd.StoredPrefix)] = file.FD
	}
	a.stored = slices.Sorted(maps.Keys(stored))
	a.in = upgrader.NewReceived(stored)
	if err = a.in.Read(); err == nil {
		a.legacy, err = readLegacy(a.in.Document)
	}
	a.lost = err
	if !a.succeeds() {
		a.keepListeners()
	}
	return nil
}

// keepListeners takes the sockets alone out of a legacy whose workers are gone, or
// cannot be gone on with: clients may wait in them.
func (a *Arrival) keepListeners() {
	for _, name := range a.in.Names() {
		if upgrader.IsListenerFile(name) {
			if fd, err := a.in.Take(name); err == nil {
				a.sockets = append(a.sockets, upgrader.Socket{Name: name, FD: fd, Own: true})
			}
		}
	}
}

// spareListeners copies the sockets of a legacy, for the case that it turns out to be
// one that cannot be gone on with.
func (a *Arrival) spareListeners() (spare []upgrader.Socket) {
	for _, name := range a.in.Names() {
		if upgrader.IsListenerFile(name) {
			if fd, err := a.in.Copy(name); err == nil {
				spare = append(spare, upgrader.Socket{Name: a.legacy.listenerName(name), FD: fd, Own: true})
			}
		}
	}
	return spare
}

// listenerName is what the serving configuration calls the socket in a file, by which
// one on port 0 is found again, and the file's name where it is another's.
func (l *legacy) listenerName(file string) string {
	for _, known := range l.Listeners {
		if upgrader.ListenerFile(known.ID) == file && slices.Contains(l.Wanted, known.Listen) {
			return known.Listen.Name
		}
	}
	return file
}

// succeeds says whether another master's workers are to be taken over.
func (a *Arrival) succeeds() bool { return a != nil && a.legacy != nil && !a.legacy.Stopped }

// First says whether no workers of another master can be there: nothing was left, or
// the sockets of an app that has ended.
func (a *Arrival) First() bool {
	return a == nil || a.in == nil || a.legacy != nil && a.legacy.Stopped
}

// Restarted says whether the service manager has started this process, by its own
// words, and no other master.
func (a *Arrival) Restarted() bool { return a != nil && a.how == howStore }

// activated are the sockets that are open for a first master: those of a .socket
// unit, and those that the app had before a restart.
func (a *Arrival) activated() (sockets []upgrader.Socket) {
	if a == nil {
		return nil
	}
	return a.sockets
}

// closeSockets lets go of the sockets of a first master.
func (a *Arrival) closeSockets() {
	for _, s := range a.sockets {
		syscall.Close(s.FD)
	}
	a.sockets = nil
}

// App is the configuration of what the master before was serving. It says false
// where there was none.
func (a *Arrival) App() (config.App, bool) {
	if a == nil || a.legacy == nil {
		return config.App{}, false
	}
	for _, g := range a.legacy.generations {
		if g.Key == a.legacy.Serving {
			return g.App, true
		}
	}
	return config.App{}, false
}

// Origin is how the first master of an app was started. Those that follow it read the
// same configuration file, whatever their working directory is by then.
type Origin struct {
	Dir        string `json:"dir,omitempty"`         // as the user entered it
	ConfigFile string `json:"config_file,omitempty"` // as it was named; empty: none
	Runtime    string `json:"runtime,omitempty"`     // config.Places
	State      string `json:"state,omitempty"`
}

// Origin is that of the previous master. It says false where there was none, or one
// that did not tell.
func (a *Arrival) Origin() (Origin, bool) {
	if a == nil || !a.succeeds() || a.legacy.Origin.Dir == "" {
		return Origin{}, false
	}
	return a.legacy.Origin, true
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

// legacyFormat is the version of the document. A master reads documents of all
// formats up to its own, and newer ones that say it can.
const legacyFormat = 1

// legacy is the state document of a succession. Fields that a reader does not know
// are passed over, and those that a writer did not know are zero: what cannot be
// read in this way needs a new format.
type legacy struct {
	Format  int    `json:"format"`
	Reads   int    `json:"reads"`   // the oldest format whose reader understands this
	Version string `json:"version"` // of the relevo that wrote it

	Name        string                    `json:"name"`
	Started     time.Time                 `json:"started"`
	Successions int                       `json:"successions"`
	Origin      Origin                    `json:"origin,omitzero"`
	Listeners   []upgrader.ListenerLegacy `json:"listeners"`
	// what the upgrader is to keep whatever becomes of a roll
	Wanted   []listenLegacy    `json:"wanted_listeners"`
	Serving  int               `json:"serving"` // key of a generation
	Rolling  int               `json:"wanted"`  // key of the generation asked for last
	Pool     json.RawMessage   `json:"pool"`
	LastSum  string            `json:"last_sum,omitempty"`
	FellBack bool              `json:"fell_back,omitempty"`
	Booting  bool              `json:"booting,omitempty"` // nothing has served yet
	Warnings map[string]string `json:"warnings,omitempty"`
	Health   json.RawMessage   `json:"health,omitempty"` // what is known of the workers from asking them
	Stored   []string          `json:"stored,omitempty"` // names of files that systemd has
	Terminal hangup.State      `json:"terminal,omitzero"`
	// Then is what the next master is to do first: reload.
	Then string `json:"then,omitempty"`
	// Stopped: the app has come to its end; only its listeners are left, for a
	// restart.
	Stopped bool `json:"stopped,omitempty"`

	generations map[int]generations.Legacy // of Pool, by their numbers
}

type listenLegacy = upgrader.ListenLegacy

// ErrLegacy is returned for a document that this relevo cannot go on with.
var ErrLegacy = generations.ErrLegacy

func readLegacy(document []byte) (*legacy, error) {
	var l legacy
	if err := json.Unmarshal(document, &l); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLegacy, err)
	}
	if l.Format < 1 || l.Format > legacyFormat && l.Reads > legacyFormat {
		return nil, fmt.Errorf("%w: relevo %s wrote it in format %d, and this one reads up to %d", ErrLegacy, l.Version,
			l.Format, legacyFormat)
	}
	if l.Stopped {
		return &l, nil
	}
	var pool struct {
		Releases map[int]generations.Legacy `json:"releases"`
	}
	if err := json.Unmarshal(l.Pool, &pool); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLegacy, err)
	}
	l.generations = pool.Releases
	return &l, nil
}

// CheckLegacy says whether this program can read the document on descriptor 3.
func CheckLegacy() error {
	document, err := upgrader.ReadCheck()
	if err != nil {
		return err
	}
	_, err = readLegacy(document)
	return err
}
