package cli

import (
	"fmt"
	"log/slog"
	"time"

	"relevo/internal/config"
	"relevo/internal/procfs"
)

// container is the container that this process runs in, and how long its runtime waits before it
// kills if it is not told otherwise, which cannot be seen from inside. The zero value means none.
type container struct {
	patience time.Duration // from SIGTERM to SIGKILL
	what     string        // who kills, for the log
	how      string        // how to change it; %d is replaced by seconds
}

// findContainer recognises a container by the pid: this process is number 1, a child of one of the
// small inits that runtimes add (docker run --init), or one whose parent is outside, as in a pod
// whose containers share their processes.
func findContainer(pid, parent int, nameOf func(pid int) string, getenv func(string) string) container {
	switch {
	case pid == 1, parent == 0:
	case parent == 1 && smallInit(nameOf(1)):
	default:
		return container{}
	}
	switch {
	case getenv("KUBERNETES_SERVICE_HOST") != "": // set in every pod
		return container{30 * time.Second, "Kubernetes", "terminationGracePeriodSeconds: %d, and the seconds of preStop"}
	case getenv("NOMAD_ALLOC_ID") != "": // set in every task
		return container{5 * time.Second, "Nomad", `kill_timeout = "%ds"`}
	}
	return container{10 * time.Second, "docker stop", "docker stop -t %d, docker run --stop-timeout, or stop_grace_period"}
}

// smallInit recognises tini, dumb-init and catatonit, also by the names that docker and podman give
// them.
func smallInit(name string) bool {
	switch name {
	case "tini", "docker-init", "dumb-init", "catatonit", "podman-init":
		return true
	}
	return false
}

func processName(pid int) string { return procfs.Of(pid).Name() }

// reserve is the part of the container's time that a stop leaves unused: for the kill, for the last
// messages, and because the runtime's clock started earlier.
const reserve = 2 * time.Second

// grace is the default of stop_grace in a container.
const grace = time.Second

// fit lowers the defaults of an app's time limits so that a stop ends before the container is
// killed.
func (k container) fit(app config.App) config.App {
	if k.patience > 0 {
		app.DrainTimeout, app.StopGrace = k.patience-reserve-grace, grace
	}
	return app
}

// tell logs how long a stop may take, and warns if that is too long.
func (k container) tell(log *slog.Logger, app config.App) {
	if k.patience == 0 {
		return
	}
	takes := app.DrainTimeout + app.StopGrace
	if takes+reserve <= k.patience {
		log.Info(fmt.Sprintf("in a container: a stop takes %s at most, and %s kills after %s", takes, k.what, k.patience),
			"drain_timeout", app.DrainTimeout, "stop_grace", app.StopGrace)
		return
	}
	wanted := int((takes + reserve).Seconds() + 0.999)
	log.Warn(fmt.Sprintf("in a container: a stop may take %s, but %s kills after %s if it is given no more time: %s",
		takes, k.what, k.patience, fmt.Sprintf(k.how, wanted)), "drain_timeout", app.DrainTimeout,
		"stop_grace", app.StopGrace)
}
