package master

import (
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"relevo/ipc"
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

// workerOf returns the id of the worker of an app that a process is, or comes from.
func workerOf(pid int, app string) (id string, found bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	environ := strings.Split(string(text), "\x00")
	if err != nil || !slices.Contains(environ, ipc.EnvName+"="+app) {
		return "", false
	}
	for _, variable := range environ {
		if id, found := strings.CutPrefix(variable, ipc.EnvWorker+"="); found {
			return id, true
		}
	}
	return "", false
}
