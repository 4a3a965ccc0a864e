package launch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"relevo/internal/nodecluster"
)

// preloadFile is the file that Node workers load before their program. The zero value
// works.
type preloadFile struct {
	once sync.Once
	path string // empty: there is none
}

// preload returns the path of the file that the release's workers are to load, or nothing.
func (r *Release) preload() string {
	if !r.clustered() || r.command.NoPreload || r.restricted() {
		return ""
	}
	l := r.launcher
	l.preload.once.Do(func() {
		if l.opts.ControlSocket == "" {
			return
		}
		var err error
		if l.preload.path, err = nodecluster.InstallPreload(filepath.Dir(l.opts.ControlSocket)); err != nil {
			l.preload.path = ""
			l.warn("HTTP/2, TLS and WebSocket connections of Node workers are cut when a worker leaves",
				"err", err)
		}
	})
	if r.account != nil && r.account.UID != os.Geteuid() && !passable(l.preload.path) {
		return "" // Node would not start
	}
	return l.preload.path
}

// restricted says whether Node may read only the files that its options name.
func (r *Release) restricted() bool {
	return slices.ContainsFunc(r.command.Args, func(arg string) bool {
		return arg == "--permission" || arg == "--experimental-permission"
	})
}

// passable says whether every user may enter the directories on the way to a file.
func passable(path string) bool {
	for dir := filepath.Dir(path); strings.HasPrefix(dir, "/"); dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&1 == 0 {
			return false
		}
		if dir == "/" {
			return true
		}
	}
	return false
}

// preload is what a worker has said about its preload. The zero value is for a worker without
// it.
type preload struct{ loaded, clear atomic.Bool }

func (p *preload) load()          { p.loaded.Store(true) }
func (p *preload) isLoaded() bool { return p.loaded.Load() }

// endsConnections asks the worker to end the connections that cannot be handed over. ended
// says whether it has done that.
func (p *Process) endsConnections() (ended func() bool) {
	if p.primary == nil || !p.preload.isLoaded() || p.primary.Leave() != nil {
		return func() bool { return true }
	}
	return p.preload.clear.Load
}
