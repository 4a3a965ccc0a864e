package master

import (
	"time"

	"relevo/internal/control"
	"relevo/internal/generations"
	"relevo/internal/launch"
)

// parts are what a running master has that a cold start makes anew and a take-over makes of
// a legacy: two ways into one state.
//
//	cold start  takeName, openListeners, openLauncher, makePool ─┐
//	                                                             ├─► whole ─► succeed ─► run
//	take-over   takeOverLegacy ──────────────────────────────────┘
//	              └─ fails, and no previous master could go on: begin anew with anew()
//
// A field that one of the two ways may leave empty says so with the tag empty, and why.
type parts struct {
	lock        *control.Lock
	listeners   *generations.Sockets
	boot        *boot
	notify      *notifications `empty:"the system may have none"`
	launcher    *launch.Launcher
	begun       time.Time `empty:"when the app's first master did, where its document tells"`
	successions int       `empty:"masters before this one"`
	adopted     []string  `empty:"ids of the workers that the previous master has left"`
	generations *generations.Generations
}

// anew are the parts of a master whose legacy cannot be gone on with: all that it has not
// got from the legacy stays, and nothing else.
func (p *parts) anew(b *boot) parts {
	return parts{lock: p.lock, boot: b, begun: p.begun, successions: p.successions}
}

// Names of the master's own files in a legacy.
const (
	controlFile = "control"
	notifyFile  = "notify"
	lockFile    = "lock"
)
