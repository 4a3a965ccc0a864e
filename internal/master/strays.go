package master

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"relevo/internal/control"
	"relevo/internal/ipc"
	"relevo/internal/procfs"
	"relevo/systemd"
)

// end ends the workers that a dead master has left, except those with the known ids.
func (s strays) end(known []string) error {
	name := s.app
	prefix := "relevo-" + name + "-"
	ended, err := systemd.EndOthers(os.Getenv, s.grace, func(pid int, cgroup string) bool {
		id, own := strings.CutPrefix(path.Base(cgroup), prefix)
		if !own {
			id, own = workerOf(pid, name)
		}
		return own && !slices.Contains(known, id)
	})
	if ended > 0 {
		s.log.Warn("workers of a dead master were ended", "processes", ended)
	}
	return err
}

// endOrphans ends the workers of a killed master that systemd had not started. The caller holds the
// lock of the name, so no other running master has such workers.
func (s strays) endOrphans() {
	ended, err := systemd.EndAll(s.grace, s.isOrphan)
	if ended > 0 {
		s.log.Warn("workers of a killed master were ended", "processes", ended)
	}
	if err != nil {
		s.log.Warn("workers of a killed master are still there", "err", err)
	}
}

// isOrphan says whether a process is a worker of this app, or a descendant of one. Workers of a
// killed master that systemd had not started keep serving, and no master adopts them. Their
// environment, with the path of the notify socket, identifies them.
func (s strays) isOrphan(pid int) bool {
	environ := procfs.Of(pid).Environ()
	return slices.Contains(environ, "NOTIFY_SOCKET="+s.notify) && slices.Contains(environ, ipc.EnvName+"="+s.app)
}

func (s strays) orphans() (pids []string) {
	for _, pid := range procfs.All() {
		if s.isOrphan(pid) {
			pids = append(pids, strconv.Itoa(pid))
		}
	}
	return pids
}

// explain adds to an error which orphans hold the address, and how to end them.
func (s strays) explain(err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	pids := s.orphans()
	if len(pids) == 0 {
		return err
	}
	return fmt.Errorf("%w\n  workers of a dead master of %q still serve there: end them (kill %s) and start again", err,
		s.app, strings.Join(pids, " "))
}

// workerOf returns the id of the worker that a process is, or descends from.
func workerOf(pid int, app string) (id string, found bool) {
	environ := procfs.Of(pid).Environ()
	if !slices.Contains(environ, ipc.EnvName+"="+app) {
		return "", false
	}
	for _, variable := range environ {
		if id, found := strings.CutPrefix(variable, ipc.EnvWorker+"="); found {
			return id, true
		}
	}
	return "", false
}

// strays are workers that a dead master has left and no master adopts: they would hold the sockets
// and serve an unknown release.
type strays struct {
	app    string
	notify string // path of the notify socket: the master that holds the lock of the name has it
	grace  time.Duration
	log    *slog.Logger
}

func (m *maker) strays() strays {
	app := m.opts.App
	return strays{app.Name, m.opts.Places.NotifySocket(app.Name), app.StopGrace, m.log}
}

// endStrays ends the workers of a dead master before this one listens.
func (m *maker) endStrays() error {
	err := m.strays().end(nil)
	if err == nil && m.opts.Background && control.LeftBehind(m.opts.Places.ControlSocket(m.opts.App.Name)) {
		m.strays().endOrphans()
	}
	return err
}
