package store

import (
	"fmt"
	"time"

	"relevo/internal/fleet/plan"
)

// Release is what machines are to run.
type Release struct {
	Version string `json:"version"`
	// URL is where the bytes are; empty: each machine has its own command for that.
	URL    string `json:"url,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// Force has masters try bytes that have failed before.
	Force bool `json:"force,omitempty"`
}

// Deploy is the wanted release of an app, and how far it is.
type Deploy struct {
	ID      int     `json:"id"`
	App     string  `json:"app"`
	Release Release `json:"release"`
	plan.Deploy
	// Label is the label whose values are the groups of waves.
	Label string `json:"label,omitempty"`
	// Check is a command that has to succeed before a stage ends.
	Check   string    `json:"check,omitempty"`
	By      string    `json:"by"` // who began it: user@host
	Started time.Time `json:"started"`
	Changed time.Time `json:"changed"`
	Changes int       `json:"changes"` // how often it has changed

	revision int64 // of its key
}

// TurnID names the turns of the open stage.
func (d Deploy) TurnID() string { return fmt.Sprintf("%d.%d", d.ID, d.Stage) }

// Turn is the right of a machine to change what it runs.
type Turn struct {
	ID      string  `json:"id"` // deploy and stage
	Deploy  int     `json:"deploy"`
	Back    bool    `json:"back,omitempty"` // to what it had before the deploy
	Release Release `json:"release"`

	revision int64
}

// Phase is how far a machine is with its turn.
type Phase string

const (
	Idle     Phase = ""         // it has had no turn, or the turn was withdrawn before anything was changed
	Fetching Phase = "fetching" // it gets the bytes and checks them
	Rolling  Phase = "rolling"  // it puts them in place and has the master roll
	Done     Phase = "done"     // it runs what the turn wanted
	Failed   Phase = "failed"   // it runs what it ran before
)

// Report is what an agent says of an app on its machine.
type Report struct {
	Labels map[string]string `json:"labels,omitempty"`
	// Version is what runs there; empty: not known, because it was put there by other means.
	Version string    `json:"version,omitempty"`
	SHA256  string    `json:"sha256,omitempty"`
	Deploy  int       `json:"deploy,omitempty"` // that has put Version there
	Turn    string    `json:"turn,omitempty"`
	Phase   Phase     `json:"phase,omitempty"`
	Error   string    `json:"error,omitempty"`  // why the turn failed
	Running bool      `json:"running"`          // the app's master answers
	Workers int       `json:"workers"`          // that serve
	Deaths  int       `json:"deaths,omitempty"` // of workers since the turn, not requested
	Fault   string    `json:"fault,omitempty"`  // what is wrong with the app
	At      time.Time `json:"at"`
}

// Presence is an agent that is connected.
type Presence struct {
	Host    string    `json:"host"`
	HostID  string    `json:"host_id"` // of /etc/machine-id, hashed
	PID     int       `json:"pid"`
	Since   time.Time `json:"since"`
	Version string    `json:"version"`
}

// Conductor is who gives the turns.
type Conductor struct {
	By     string    `json:"by"`
	PID    int       `json:"pid"`
	Since  time.Time `json:"since"`
	Checks bool      `json:"checks"` // runs the checks of deploys
}

// Entry is what an operator has done, or what was decided.
type Entry struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	What   string    `json:"what"`
	Deploy int       `json:"deploy"`
	Text   string    `json:"text,omitempty"`
}
