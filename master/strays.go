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
func (m *Master) endStrays() error {
	name := m.opts.App.Name
	ended, err := systemd.EndOthers(os.Getenv, m.opts.App.StopGrace, func(pid int, cgroup string) bool {
		return strings.HasPrefix(path.Base(cgroup), "relevo-"+name+"-") || isWorker(pid, name)
	})
	if ended > 0 {
		m.log.Warn("workers of a master that died were ended", "processes", ended)
	}
	return err
}

// isWorker says whether a process, or the one that it comes from, is a worker of
// an app.
func isWorker(pid int, app string) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && slices.Contains(strings.Split(string(text), "\x00"), ipc.EnvName+"="+app)
}
