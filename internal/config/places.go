package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"relevo/internal/safefile"
)

// Places are the directories of all apps of one user. RELEVO_RUNTIME_DIR and
// RELEVO_STATE_DIR override them.
type Places struct {
	Runtime string // sockets and locks; gone after a reboot
	State   string // what must outlive a master
	Warning string // set where Runtime is a fallback that other users can see

	// Others are further directories with sockets of this user: those that a shell with another
	// environment uses. cron has no XDG_RUNTIME_DIR, a login has one.
	Others []string
}

// FindPlaces follows the XDG base directory specification for users, and the file system
// hierarchy standard for root. If Runtime cannot be made, as on the read-only root of a
// container, it takes another place. Every program of the same user and environment finds
// the same place. usable says whether a place can be used (UsableDir).
func FindPlaces(getenv func(string) string, uid int, usable func(dir string) bool) Places {
	p := findRuntime(getenv, uid, usable)
	p.Others = otherRuntimes(p.Runtime, getenv, uid, usable)
	p.State = getenv("RELEVO_STATE_DIR")
	switch {
	case p.State != "":
	case uid == 0:
		p.State = "/var/lib/relevo"
	case getenv("XDG_STATE_HOME") != "":
		p.State = filepath.Join(getenv("XDG_STATE_HOME"), "relevo")
	case getenv("HOME") != "":
		p.State = filepath.Join(getenv("HOME"), ".local", "state", "relevo")
	default:
		p.State = filepath.Join(p.Runtime, "state", "relevo")
	}
	return p
}

// findRuntime tries the places in their order. /dev/shm is there in every
// container, also in one with a read-only root and without a /tmp.
func findRuntime(getenv func(string) string, uid int, usable func(dir string) bool) (p Places) {
	if dir := getenv("RELEVO_RUNTIME_DIR"); dir != "" {
		return Places{Runtime: dir}
	}
	first, own := "/run/relevo", "relevo-"+strconv.Itoa(uid)
	fallbacks := []string{filepath.Join("/dev/shm", own)}
	if uid != 0 {
		temp := filepath.Join(os.TempDir(), own)
		if dir := getenv("XDG_RUNTIME_DIR"); dir != "" {
			first, fallbacks = filepath.Join(dir, "relevo"), append([]string{temp}, fallbacks...)
		} else {
			first = temp
			p.Warning = fmt.Sprintf("XDG_RUNTIME_DIR is not set: sockets go to %s", temp)
		}
	}
	p.Runtime = first
	if usable(first) {
		return p
	}
	for _, dir := range fallbacks {
		if usable(dir) {
			return Places{Runtime: dir,
				Warning: fmt.Sprintf("cannot use %s: sockets go to %s; RELEVO_RUNTIME_DIR chooses a place", first, dir)}
		}
	}
	return p
}

// otherRuntimes are the places that findRuntime chooses with another environment.
func otherRuntimes(chosen string, getenv func(string) string, uid int, usable func(dir string) bool) (others []string) {
	if uid == 0 || getenv("RELEVO_RUNTIME_DIR") != "" {
		return nil
	}
	own := "relevo-" + strconv.Itoa(uid)
	places := []string{filepath.Join("/run/user", strconv.Itoa(uid), "relevo"), filepath.Join(os.TempDir(), own),
		filepath.Join("/tmp", own), filepath.Join("/dev/shm", own)}
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" {
		places = append([]string{filepath.Join(dir, "relevo")}, places...)
	}
	for _, dir := range places {
		if dir != chosen && !slices.Contains(others, dir) && usable(dir) {
			others = append(others, dir)
		}
	}
	return others
}

// WithOthers are the places at which a master of this user may answer, this one first.
func (p Places) WithOthers() []Places {
	all := []Places{p}
	for _, dir := range p.Others {
		all = append(all, Places{Runtime: dir, State: p.State})
	}
	return all
}

// UsableDir says whether this user, and no other, can write to a directory or make it.
func UsableDir(dir string) bool {
	if safefile.CheckDir(dir) != nil {
		return false
	}
	for {
		_, err := os.Stat(dir)
		if parent := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && parent != dir {
			dir = parent
			continue
		}
		return unix.Access(dir, unix.W_OK|unix.X_OK) == nil
	}
}

// ControlSocket is where the master of the named app answers.
func (p Places) ControlSocket(name string) string { return filepath.Join(p.Runtime, name+".sock") }

// NotifySocket is where the workers of the named app send their datagrams.
func (p Places) NotifySocket(name string) string { return filepath.Join(p.Runtime, name+".notify") }

// Lock is held by the master of the named app for all its life.
func (p Places) Lock(name string) string { return filepath.Join(p.Runtime, name+".lock") }

// Starting is held by relevo start until the named app serves, and while its files are removed.
func (p Places) Starting(name string) string { return filepath.Join(p.Runtime, name+".starting") }

// AppState is the state directory of the named app.
func (p Places) AppState(name string) string { return filepath.Join(p.State, name) }

// Logs is the directory of an app's log files.
func (p Places) Logs(name string) string { return filepath.Join(p.AppState(name), "log") }

// ReleaseStore is the directory of the copies of an app's releases.
func (p Places) ReleaseStore(name string) string { return filepath.Join(p.AppState(name), "releases") }

// Hashes is the directory of the hashes of executables, of all apps.
func (p Places) Hashes() string { return filepath.Join(p.Runtime, "hashes") }
