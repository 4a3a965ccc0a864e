package master

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"relevo/internal/control"
	"relevo/internal/ipc"
	"relevo/internal/launch"
)

// parts are what a running master has that a cold start makes anew and a take-over makes of
// a legacy: two ways into one state.
//
//	cold start  takeName, openListeners, openLauncher, makePool ─┐
//	                                                             ├─► whole ─► takeOver ─► run
//	take-over   inherit ─────────────────────────────────────────┘
//	              └─ fails, and no previous master could go on: begin anew with anew()
//
// A field that one of the two ways may leave empty says so with the tag empty, and why.
type parts struct {
	lock        *control.Lock
	listeners   *listeners
	boot        *boot
	notify      *ipc.NotifyServer `empty:"the system may have none"`
	launcher    *launch.Launcher
	begun       time.Time   `empty:"when the app's first master did, where its document tells"`
	successions int         `empty:"masters before this one"`
	keys        int         // the highest given to a generation
	adopted     []string    `empty:"ids of the workers that the previous master has left"`
	current     *generation // what serves
	wanted      *generation // what is to serve when all rolls asked for have ended well
	lastSum     string      `empty:"sha256 of what the command's file held at the last look; it may be unreadable"`
}

// anew are the parts of a master whose legacy cannot be gone on with: all that it has not
// got from the legacy stays, and nothing else.
func (p *parts) anew(b *boot) parts {
	return parts{lock: p.lock, boot: b, begun: p.begun, successions: p.successions}
}

// missing names the parts that have to be there and are not.
func (p *parts) missing() (names []string) {
	v := reflect.ValueOf(p).Elem()
	for i := range v.NumField() {
		if _, may := v.Type().Field(i).Tag.Lookup("empty"); !may && v.Field(i).IsZero() {
			names = append(names, v.Type().Field(i).Name)
		}
	}
	return names
}

// whole refuses to begin without a part that a running master needs. A previous master, if
// there is one, goes on then.
func (m *Master) whole() error {
	missing := m.missing()
	if m.running() == nil {
		missing = append(missing, "pool")
	}
	if len(missing) > 0 {
		return fmt.Errorf("internal error: the master was made without its %s", strings.Join(missing, ", "))
	}
	return nil
}
