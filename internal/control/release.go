package control

import (
	"context"
	"net/http"
	"time"

	"relevo/internal/config"
	"relevo/pool"
)

// ReloadOptions say how to reload.
type ReloadOptions struct {
	// Force says to roll even to bytes that have failed before.
	Force bool `json:"force,omitempty"`
	// Canary is the probation of this roll. Share is the part of new connections that the
	// canary gets meanwhile. Both are written as in the configuration; empty: its values.
	Canary string `json:"canary,omitempty"`
	Share  string `json:"share,omitempty"`
}

// Wait waits for the end of a roll. If its context ends first, the roll continues.
type Wait func(context.Context) (pool.RollResult, error)

// Plan is the answer of /v1/plan: what a reload would change.
type Plan struct {
	Changes []config.Change `json:"changes"` // of the configuration
	Running pool.Info       `json:"running"`
	Next    pool.Info       `json:"next"`              // what the command's file holds now
	Refused string          `json:"refused,omitempty"` // why a reload would be refused without force
}

// Releases is the answer of /v1/releases. The release that was used last comes first.
type Releases struct {
	Releases []Release `json:"releases"`
}

// Release is an executable that has run, or that a copy was kept of.
type Release struct {
	SHA256    string    `json:"sha256"`
	Name      string    `json:"name"`
	Version   string    `json:"version,omitempty"`
	Directory string    `json:"directory,omitempty"` // its directory, if a symbolic link leads there
	Size      int64     `json:"size"`                // bytes
	FirstUsed time.Time `json:"first_used"`
	LastUsed  time.Time `json:"last_used"`
	Verdict   string    `json:"verdict,omitempty"` // good or bad; empty: not known yet
	Reason    string    `json:"reason,omitempty"`  // why it is bad
	Kept      bool      `json:"kept"`              // there is a copy to roll back to
	Serving   bool      `json:"serving"`
}

// Pruned is the answer of /v1/prune.
type Pruned struct {
	Copies int   `json:"copies"` // how many copies were removed
	Bytes  int64 `json:"bytes"`  // their size
}

type reloadRequest struct {
	ReloadOptions
	Wait *bool `json:"wait,omitempty"` // default true
}

type waitRequest struct {
	Generation int `json:"generation"`
}

// Upgraded is the answer of /v1/upgrade.
type Upgraded struct {
	PID         int    `json:"pid"`
	From        int    `json:"from"` // pid of the previous master
	How         string `json:"how"`  // tableflip or exec
	Successions int    `json:"successions"`
}

type rollbackRequest struct {
	To   string `json:"to,omitempty"`   // the hash or its beginning
	Wait *bool  `json:"wait,omitempty"` // default true
}

func (s *Server) plan(w http.ResponseWriter, _ *http.Request) {
	plan, err := s.master.Plan()
	answer(w, plan, err)
}

func (s *Server) releases(w http.ResponseWriter, _ *http.Request) {
	releases, err := s.master.Releases()
	answer(w, releases, err)
}

func (s *Server) prune(w http.ResponseWriter, _ *http.Request) {
	pruned, err := s.master.Prune()
	answer(w, pruned, err)
}
