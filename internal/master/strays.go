package master

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"relevo/internal/ipc"
	"relevo/internal/procfs"
	"relevo/systemd"
)

// endStrays ends workers of this app that a dead master has left and nobody takes
// over: they would hold the sockets and serve bytes that nobody knows of.
func (m *Master) endStrays() error { return m.endWorkersBut(nil) }

// endWorkersBut leaves the families of the workers with these ids alone.
func (m *Master) endWorkersBut(known []string) error {
	name := m.opts.App.Name
	prefix := "relevo-" + name + "-"
	ended, err := systemd.EndOthers(os.Getenv, m.opts.App.StopGrace, func(pid int, cgroup string) bool {
		id, own := strings.CutPrefix(path.Base(cgroup), prefix)
		if !own {
			id, own = workerOf(pid, name)
		}
		return own && !slices.Contains(known, id)
	})
	if ended > 0 {
		m.log.Warn("workers of a master that died were ended", "processes", ended)
	}
	return err
}

// orphans are the workers of this app, and what comes from them, of a master that died
// where no systemd has started it: they serve on, and nobody takes them over. They are
// known by the notify socket, which is that of whoever has the lock of the name.
func (m *Master) orphans() (pids []string) {
	name, socket := m.opts.App.Name, "NOTIFY_SOCKET="+m.opts.Places.NotifySocket(m.opts.App.Name)
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		environ := procfs.Process(process).Environ()
		if slices.Contains(environ, socket) && slices.Contains(environ, ipc.EnvName+"="+name) {
			pids = append(pids, path.Base(process))
		}
	}
	return pids
}

// tellOfOrphans says what to do about those that hold an address that is wanted.
func (m *Master) tellOfOrphans(err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	pids := m.orphans()
	if len(pids) == 0 {
		return err
	}
	return fmt.Errorf("%w\n  workers of a master of %q that died serve on there: end them (kill %s) and start again", err,
		m.opts.App.Name, strings.Join(pids, " "))
}

// workerOf returns the id of the worker of an app that a process is, or comes from.
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
