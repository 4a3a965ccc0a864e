package control

import (
	"context"
	"time"

	"relevo/internal/config"
	"relevo/pool"
)

// ReloadOptions say how to reload.
type ReloadOptions struct {
	// Force rolls also to bytes that have failed before.
	Force bool `json:"force,omitempty"`
	// Canary is the probation of this roll, Share the part of new connections that the
	// canary gets meanwhile, as the configuration would have them; empty: as it has them.
	Canary string `json:"canary,omitempty"`
	Share  string `json:"share,omitempty"`
}

// Wait returns the end of a roll. When its context ends, the wait ends; the roll
// goes on.
type Wait func(context.Context) (pool.RollResult, error)

// Plan is what a reload would change: what /v1/plan answers.
type Plan struct {
	Changes []config.Change `json:"changes"` // of the configuration
	Running pool.Info       `json:"running"`
	Next    pool.Info       `json:"next"`              // what the command's file holds now
	Refused string          `json:"refused,omitempty"` // why a reload would be refused without force
}

// Releases is what /v1/releases answers, the one last used first.
type Releases struct {
	Releases []Release `json:"releases"`
}

// Release is an executable of which a copy was kept.
type Release struct {
	SHA256    string    `json:"sha256"`
	Name      string    `json:"name"`
	Version   string    `json:"version,omitempty"`
	Directory string    `json:"directory,omitempty"` // where it lies, if a symbolic link decides about that
	Size      int64     `json:"size"`                // bytes
	FirstUsed time.Time `json:"first_used"`
	LastUsed  time.Time `json:"last_used"`
	Verdict   string    `json:"verdict,omitempty"` // good or bad; empty: not known yet
	Reason    string    `json:"reason,omitempty"`  // why it is bad
	Kept      bool      `json:"kept"`              // there is a copy to roll back to
	Serving   bool      `json:"serving"`
}

// Pruned is what /v1/prune answers.
type Pruned struct {
	Copies int   `json:"copies"` // that were removed
	Bytes  int64 `json:"bytes"`  // that are free now
}

type reloadRequest struct {
	ReloadOptions
	Wait *bool `json:"wait,omitempty"` // default true
}

type waitRequest struct {
	Generation int `json:"generation"`
}

// Upgraded is what /v1/upgrade answers: who goes on, and how.
type Upgraded struct {
	PID         int    `json:"pid"`
	From        int    `json:"from"` // pid of the master before
	How         string `json:"how"`  // tableflip or exec
	Successions int    `json:"successions"`
}

type rollbackRequest struct {
	To   string `json:"to,omitempty"`   // the hash or its beginning
	Wait *bool  `json:"wait,omitempty"` // default true
}
