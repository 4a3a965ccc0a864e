package succession

import (
	"encoding/json"
	"fmt"
	"time"

	"relevo/internal/config"
	"relevo/internal/generations"
	"relevo/internal/hangup"
	"relevo/upgrader"
	"relevo/upgrader/listeners"
)

// Origin says how the first master of an app was started. Its successors read the same
// configuration file, whatever their working directory is.
type Origin struct {
	Dir        string `json:"dir,omitempty"`         // as the user entered it
	ConfigFile string `json:"config_file,omitempty"` // as it was named; empty: none
	Runtime    string `json:"runtime,omitempty"`     // config.Places
	State      string `json:"state,omitempty"`
}

// MetricsLegacy is an address of the configuration, and where metrics are served for it.
type MetricsLegacy struct {
	Wanted string `json:"wanted,omitempty"`
	Served string `json:"served,omitempty"`
}

// Format is the version of the document. A master reads documents of all formats up to its own, and
// newer ones that say that it can.
const Format = 1

// Document is the state that a succession passes on. A reader ignores fields that it does not know,
// and finds zero values for those that the writer did not know. A change that breaks this needs a
// new format.
type Document struct {
	Format  int    `json:"format"`
	Reads   int    `json:"reads"`   // the oldest format whose reader understands this
	Version string `json:"version"` // of the relevo that wrote it

	Name        string             `json:"name"`
	Started     time.Time          `json:"started"`
	Successions int                `json:"successions"`
	Failures    int                `json:"failed_upgrades,omitempty"`
	Origin      Origin             `json:"origin,omitzero"`
	Listeners   []listeners.Legacy `json:"listeners"`
	// what the set is to keep whatever becomes of a roll
	Wanted  []ListenLegacy  `json:"wanted_listeners"`
	Serving int             `json:"serving"` // key of a generation
	Rolling int             `json:"wanted"`  // key of the generation that was requested last
	Pool    json.RawMessage `json:"pool"`
	// the range that the number of workers was last fitted to; older documents have none
	Workers  *config.WorkerRange `json:"workers,omitempty"`
	LastSum  string              `json:"last_sum,omitempty"`
	FellBack bool                `json:"fell_back,omitempty"`
	Booting  bool                `json:"booting,omitempty"` // nothing has served yet
	Warnings map[string]string   `json:"warnings,omitempty"`
	Refused  string              `json:"refused,omitempty"` // why a roll was refused that will be tried again
	Health   json.RawMessage     `json:"health,omitempty"`  // results of the health checks
	Scale    json.RawMessage     `json:"scale,omitempty"`   // whether the load decides on the number of workers
	Stored   []string            `json:"stored,omitempty"`  // names of files that systemd has
	Terminal hangup.State        `json:"terminal,omitzero"`
	Metrics  MetricsLegacy       `json:"metrics,omitzero"`
	// Then is what the next master is to do first: reload.
	Then string `json:"then,omitempty"`
	// Stopped: the app has ended; only its listeners are left, for a restart.
	Stopped bool `json:"stopped,omitempty"`

	Generations map[int]generations.Legacy `json:"-"` // of Pool, by their numbers
}

// ListenLegacy is a listener in the document.
type ListenLegacy = listeners.ListenLegacy

// ErrLegacy is returned for a document that this relevo cannot take over.
var ErrLegacy = generations.ErrLegacy

// Read reads the document of another master, of this version or another.
func Read(document []byte) (*Document, error) {
	var l Document
	if err := json.Unmarshal(document, &l); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLegacy, err)
	}
	if l.Format < 1 || l.Format > Format && l.Reads > Format {
		return nil, fmt.Errorf("%w: relevo %s wrote it in format %d, and this one reads up to %d", ErrLegacy, l.Version,
			l.Format, Format)
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
	l.Generations = pool.Releases
	return &l, nil
}

// CheckVerb is the argument with which masters of older relevos ask whether this program could take
// over: see CheckLegacy.
const CheckVerb = "--upgrade-check"

// CheckLegacy says whether this program can read the document on descriptor 3.
func CheckLegacy() error {
	document, err := upgrader.ReadCheck()
	if err != nil {
		return err
	}
	_, err = Read(document)
	return err
}
