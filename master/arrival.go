package master

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"relevo/config"
	"relevo/systemd"
	"relevo/upgrader"
)

// Arrival is how this process came to be a master: the first one of an app, or the
// successor of another, with what that one has left.
type Arrival struct {
	flip    *upgrader.Flip
	in      *upgrader.Inheritance // nil: it is the first
	legacy  *legacy               // what in's document says
	how     string                // tableflip, exec or store
	sockets []systemd.Named       // of a .socket unit
	lost    error                 // why a legacy was found and cannot be read
}

// upgradePatience is how long a new master may take to say that it goes on.
const upgradePatience = 30 * time.Second

// storePrefix begins the names of our files in systemd's store. Other names are
// those of a .socket unit.
const storePrefix = "relevo."

// Arrive looks for what another master has left to this process. It has to come
// before anything opens files or starts processes. An error means that this process
// was started to succeed another one, and cannot.
func Arrive() (*Arrival, error) {
	flip, in, err := upgrader.NewFlip(upgradePatience)
	if err != nil {
		return nil, err
	}
	a := &Arrival{flip: flip, in: in, how: howTableflip}
	if a.in == nil {
		a.how = howExec
		if a.in, err = upgrader.AfterExec(); err != nil {
			return nil, err
		}
	}
	if a.in == nil {
		return a, a.fromSystemd()
	}
	disown("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID")
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
	disown("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
	if err != nil {
		return fmt.Errorf("cannot take what the service manager passes: %w", err)
	}
	stored := map[string]int{}
	for _, n := range named {
		if name, ours := strings.CutPrefix(n.Name, storePrefix); ours {
			stored[name] = n.FD
		} else {
			a.sockets = append(a.sockets, n)
		}
	}
	if len(stored) == 0 {
		return nil
	}
	a.how = howStore
	if a.in, err = upgrader.Inherited(stored); err == nil {
		a.legacy, err = readLegacy(a.in.Document)
	}
	if err != nil {
		a.lost = err
		if a.in != nil {
			a.in.Close()
			a.in = nil
		}
	}
	return nil
}

// succeeds says whether another master's workers are to be taken over.
func (a *Arrival) succeeds() bool { return a != nil && a.legacy != nil && !a.legacy.Stopped }

// activated are the sockets that are open for a first master: those of a .socket
// unit, and those that the app had before a restart.
func (a *Arrival) activated() (sockets []upgrader.Socket) {
	if a == nil {
		return nil
	}
	for _, s := range a.sockets {
		sockets = append(sockets, upgrader.Socket{Name: s.Name, FD: s.FD})
	}
	return sockets
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
	Listeners   []upgrader.ListenerLegacy `json:"listeners"`
	Wanted      []listenLegacy            `json:"wanted_listeners"` // what the upgrader is to keep whatever becomes of a roll
	Serving     int                       `json:"serving"`          // key of a generation
	Rolling     int                       `json:"wanted"`           // key of the generation asked for last
	Pool        json.RawMessage           `json:"pool"`
	LastSum     string                    `json:"last_sum,omitempty"`
	FellBack    bool                      `json:"fell_back,omitempty"`
	Warnings    map[string]string         `json:"warnings,omitempty"`
	Stored      []string                  `json:"stored,omitempty"` // names of files that systemd has
	// Then is what the next master is to do first: reload.
	Then string `json:"then,omitempty"`
	// Stopped: the app has come to its end; only its listeners are left, for a
	// restart.
	Stopped bool `json:"stopped,omitempty"`

	generations map[int]generationLegacy // of Pool, by their numbers
}

type listenLegacy = upgrader.ListenLegacy

// ErrLegacy is returned for a document that this relevo cannot go on with.
var ErrLegacy = errors.New("master: the state of the master before cannot be read")

func readLegacy(document []byte) (*legacy, error) {
	var l legacy
	if err := json.Unmarshal(document, &l); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLegacy, err)
	}
	if l.Format < 1 || l.Format > legacyFormat && l.Reads > legacyFormat {
		return nil, fmt.Errorf("%w: relevo %s wrote it in format %d, and this one reads up to %d", ErrLegacy, l.Version, l.Format, legacyFormat)
	}
	if l.Stopped {
		return &l, nil
	}
	var pool struct {
		Releases map[int]generationLegacy `json:"releases"`
	}
	if err := json.Unmarshal(l.Pool, &pool); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLegacy, err)
	}
	l.generations = pool.Releases
	return &l, nil
}

// CheckLegacy says whether this program could go on with the document on descriptor
// 3: what a master asks the program that it is about to become.
func CheckLegacy() error {
	document, err := upgrader.ReadCheck()
	if err != nil {
		return err
	}
	_, err = readLegacy(document)
	return err
}
