package cli

import (
	"fmt"
	"log/slog"
	"time"

	"relevo/internal/config"
	"relevo/internal/procfs"
)

// container is what holds this process, where that kills it some time after the
// polite signal. The zero value is none.
type container struct {
	patience time.Duration // from SIGTERM to SIGKILL
	what     string        // whose it is
	how      string        // how to change it; %d are seconds
}

// findContainer recognises a container by this process being its first, or the
// child of one of the small inits that runtimes put there (docker run --init).
func findContainer(pid, parent int, nameOf func(pid int) string, getenv func(string) string) container {
	switch {
	case pid == 1:
	case parent == 1 && smallInit(nameOf(1)):
	default:
		return container{}
	}
	if getenv("KUBERNETES_SERVICE_HOST") != "" { // which is in the environment of every pod
		return container{30 * time.Second, "Kubernetes", "terminationGracePeriodSeconds: %d"}
	}
	return container{10 * time.Second, "docker stop", "docker stop -t %d, docker run --stop-timeout, or stop_grace_period"}
}

// smallInit knows tini, dumb-init and catatonit by their names, and by those that
// docker and podman give them.
func smallInit(name string) bool {
	switch name {
	case "tini", "docker-init", "dumb-init", "catatonit", "podman-init":
		return true
	}
	return false
}

func processName(pid int) string { return procfs.Of(pid).Name() }

// reserve is what is left of a container's patience after a stop: to kill, to
// tell the end of everything, and for a clock that began to run earlier.
const reserve = 2 * time.Second

// grace is stop_grace in a container.
const grace = time.Second

// fit gives the app a patience that ends before the container's, for settings
// that nobody makes.
func (k container) fit(app config.App) config.App {
	if k.patience > 0 {
		app.DrainTimeout, app.StopGrace = k.patience-reserve-grace, grace
	}
	return app
}

// tell says how long a stop may take, and whether that is too long.
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
	log.Warn(fmt.Sprintf("in a container: a stop may take %s, but %s kills after %s; give it more time: %s",
		takes, k.what, k.patience, fmt.Sprintf(k.how, wanted)), "drain_timeout", app.DrainTimeout,
		"stop_grace", app.StopGrace)
}
