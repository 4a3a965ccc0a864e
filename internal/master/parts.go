package master

import (
	"time"

	"relevo/internal/control"
	"relevo/internal/generations"
	"relevo/internal/launch"
)

// parts are what a running master has. A cold start makes new ones, and a take-over makes them
// from a legacy: two ways to the same state.
//
//	cold start  takeName, openListeners, openLauncher, makePool ─┐
//	                                                             ├─► whole ─► succeed ─► run
//	take-over   takeOverLegacy ──────────────────────────────────┘
//	              └─ fails, and no previous master could continue: startOver
//
// A field that one of the two ways may leave empty has the tag empty, with the reason.
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

// startOver returns the parts of a master that cannot take over its legacy and starts over. It keeps
// exactly the parts that do not come from the legacy.
func (p *parts) startOver(b *boot) parts {
	return parts{lock: p.lock, boot: b, begun: p.begun, successions: p.successions}
}

// Names of the master's own files in a legacy.
const (
	controlFile = "control"
	notifyFile  = "notify"
	lockFile    = "lock"
)
