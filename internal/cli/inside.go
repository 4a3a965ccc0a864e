package cli

import (
	"context"
	"os"
	"path/filepath"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/ipc"
)

// lookIn returns the places where a command looks for a master. Inside a worker, the socket of the
// worker's own master comes first. The master's RELEVO_RUNTIME_DIR is not passed on to workers: a
// master that a worker starts has places of its own.
func (c *cli) lookIn() []config.Places {
	all := c.places.WithOthers()
	socket := c.getenv(ipc.EnvControl)
	dir := filepath.Dir(socket)
	if !filepath.IsAbs(socket) || c.getenv("RELEVO_RUNTIME_DIR") != "" || dir == c.places.Runtime {
		return all
	}
	return append([]config.Places{{Runtime: dir, State: c.places.State}}, all...)
}

// mayRunIn returns the places where the master of a name may run that this one is to succeed. The
// unit has the RELEVO_RUNTIME_DIR of the shell that made it; the app may have been started by cron.
func (c *cli) mayRunIn(name string) []config.Places {
	if name == "" {
		return nil
	}
	unchosen := func(variable string) string {
		if variable == "RELEVO_RUNTIME_DIR" {
			return ""
		}
		return c.getenv(variable)
	}
	if usual := config.FindPlaces(unchosen, os.Geteuid(), config.UsableDir); usual.Runtime == c.places.Runtime {
		return usual.WithOthers()
	}
	return []config.Places{c.places}
}

// reach connects to the master of a name. If no place has it, the error of the first place is
// returned.
func (c *cli) reach(ctx context.Context, name string) (client *control.Client, failed error) {
	for _, places := range c.lookIn() {
		client, err := control.Connect(ctx, places.ControlSocket(name))
		if control.ExitCode(err) != control.ExitNotRunning {
			return client, err
		}
		if failed == nil {
			failed = err
		}
	}
	return nil, failed
}

// setting reads a variable that configures a master. Inside a worker RELEVO_NAME is the name of the
// worker's own master, and must not name another one.
func (c *cli) setting(name string) string {
	value := c.getenv(name)
	if name == ipc.EnvName && c.getenv(ipc.EnvControl) != "" && filepath.Base(c.getenv(ipc.EnvControl)) == value+".sock" {
		return ""
	}
	return value
}
