package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Places are the directories of all apps of one user. RELEVO_RUNTIME_DIR and
// RELEVO_STATE_DIR override them.
type Places struct {
	Runtime string // sockets and locks; gone after a reboot
	State   string // what must outlive a master
	Warning string // set where Runtime is a fallback that other users can see
}

// FindPlaces follows the XDG base directory specification for users and the
// file system hierarchy standard for root.
func FindPlaces(getenv func(string) string, uid int) Places {
	p := Places{Runtime: "/run/relevo", State: "/var/lib/relevo"}
	if uid != 0 {
		p = userPlaces(getenv, uid)
	}
	if dir := getenv("RELEVO_RUNTIME_DIR"); dir != "" {
		p.Runtime, p.Warning = dir, ""
	}
	if dir := getenv("RELEVO_STATE_DIR"); dir != "" {
		p.State = dir
	}
	return p
}

func userPlaces(getenv func(string) string, uid int) (p Places) {
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" {
		p.Runtime = filepath.Join(dir, "relevo")
	} else {
		p.Runtime = filepath.Join(os.TempDir(), "relevo-"+strconv.Itoa(uid))
		p.Warning = fmt.Sprintf("XDG_RUNTIME_DIR is not set: sockets go to %s", p.Runtime)
	}
	state := getenv("XDG_STATE_HOME")
	if state == "" {
		if home := getenv("HOME"); home != "" {
			state = filepath.Join(home, ".local", "state")
		} else {
			state = filepath.Join(p.Runtime, "state")
		}
	}
	p.State = filepath.Join(state, "relevo")
	return p
}

// ControlSocket is where the master of the named app answers.
func (p Places) ControlSocket(name string) string { return filepath.Join(p.Runtime, name+".sock") }

// NotifySocket is where the workers of the named app send their datagrams.
func (p Places) NotifySocket(name string) string { return filepath.Join(p.Runtime, name+".notify") }

// Lock is held by the master of the named app for all its life.
func (p Places) Lock(name string) string { return filepath.Join(p.Runtime, name+".lock") }

// AppState is the state directory of the named app.
func (p Places) AppState(name string) string { return filepath.Join(p.State, name) }
