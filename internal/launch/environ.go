package launch

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"relevo/internal/ipc"
	"relevo/internal/nodecluster"
	"relevo/pool"
)

// Variables of the master that never reach a worker: they refer to descriptors and
// sockets of the master.
var private = []string{
	"TABLEFLIP_", "NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID",
	"WATCHDOG_", "FDSTORE", "MAINPID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "RELEVO_",
	"NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE", "NODE_UNIQUE_ID",
}

// scene describes what a worker gets at its start; its environment is made from it.
type scene struct {
	app          string
	order        pool.Order
	listeners    []string // names, in the order of their descriptors
	port         string   // of the one listener that has a port; empty: there is none, or more than one
	ipcFD        int
	notifySocket string // empty: none
	control      string // the master's control socket; empty: workers do not get its path
	node         bool   // the command is Node itself
	clustered    bool   // the worker is one of Node's cluster
	preload      string // a file that Node loads before the program; empty: none
	nodeLoad     bool   // the preload reports the use of the event loop
	dir          string // the working directory; PWD must not name another
	account      *Account
	watchdog     time.Duration // 0: none
}

// environ builds a worker's environment: the master's own without the private variables,
// then the app's variables, then those of the scene. Of equal names the last one wins.
// LISTEN_PID and WATCHDOG_PID are missing, because only the shim knows its pid.
func environ(master, app []string, s scene) []string {
	env := map[string]string{}
	var order []string
	set := func(variable string) {
		name, value, _ := strings.Cut(variable, "=")
		if _, known := env[name]; !known {
			order = append(order, name)
		}
		env[name] = value
	}
	for _, variable := range master {
		if !isPrivate(variable) {
			set(variable)
		}
	}
	// app is shared by all workers of a release
	for _, variable := range slices.Concat(s.account.environ(), app, s.variables()) {
		if !strings.HasPrefix(variable, "LISTEN_PID=") && !strings.HasPrefix(variable, "WATCHDOG_PID=") {
			set(variable)
		}
	}
	if _, chosen := env[portVariable]; !chosen && s.port != "" {
		set(portVariable + "=" + s.port)
	}
	if s.preload != "" {
		if s.nodeLoad {
			set(nodecluster.ReportLoad)
		}
		set("NODE_OPTIONS=" + nodecluster.WithPreload(env["NODE_OPTIONS"], s.preload))
	}
	out := make([]string, 0, len(order))
	for _, name := range order {
		out = append(out, name+"="+env[name])
	}
	return out
}

// portVariable tells programs which port to bind, by a custom of hosting platforms
// (https://12factor.net/port-binding). A value that is set already is kept.
const portVariable = "PORT"

// portOf returns the port of the only listener that has one.
func portOf(listeners []Listener) (port string) {
	for _, l := range listeners {
		_, its, err := net.SplitHostPort(l.Address)
		if _, number := strconv.ParseUint(its, 10, 16); err != nil || number != nil {
			continue // a Unix socket
		}
		if port != "" {
			return ""
		}
		port = its
	}
	return port
}

func isPrivate(variable string) bool {
	for _, p := range private {
		name, _, _ := strings.Cut(variable, "=")
		if name == p || (strings.HasSuffix(p, "_") && strings.HasPrefix(name, p)) {
			return true
		}
	}
	return false
}

func (s scene) variables() []string {
	vars := []string{
		ipc.EnvName + "=" + s.app,
		ipc.EnvSlot + "=" + strconv.Itoa(s.order.Slot),
		ipc.EnvWorker + "=" + s.order.ID,
		ipc.EnvGeneration + "=" + strconv.Itoa(s.order.Generation),
		ipc.EnvFD + "=" + strconv.Itoa(s.ipcFD),
	}
	if len(s.listeners) > 0 {
		vars = append(vars,
			"LISTEN_FDS="+strconv.Itoa(len(s.listeners)),
			"LISTEN_FDNAMES="+strings.Join(s.listeners, ":"))
	}
	if s.dir != "" {
		vars = append(vars, "PWD="+s.dir)
	}
	if s.control != "" {
		vars = append(vars, ipc.EnvControl+"="+s.control)
	}
	if s.notifySocket != "" {
		vars = append(vars, "NOTIFY_SOCKET="+s.notifySocket)
	}
	if s.watchdog > 0 {
		vars = append(vars, "WATCHDOG_USEC="+strconv.FormatInt(s.watchdog.Microseconds(), 10))
	}
	if s.node {
		// Only Node gets this variable, because Node removes it from its environment: it
		// must not reach the worker's own children.
		vars = append(vars, "NODE_CHANNEL_FD="+strconv.Itoa(s.ipcFD))
	}
	if s.clustered {
		vars = append(vars, "NODE_UNIQUE_ID="+s.order.ID) // cluster.worker.id
	}
	return vars
}
