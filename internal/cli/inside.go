package cli

import (
	"context"
	"path/filepath"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/ipc"
)

// lookIn returns the places where a command looks for a master. Inside a worker, the socket of the
// worker's own master comes first. The master's RELEVO_RUNTIME_DIR is not passed on to workers: a
// master that a worker starts has places of its own.
func (c *cli) lookIn() []config.Places {
	socket := c.getenv(ipc.EnvControl)
	dir := filepath.Dir(socket)
	if !filepath.IsAbs(socket) || c.getenv("RELEVO_RUNTIME_DIR") != "" || dir == c.places.Runtime {
		return []config.Places{c.places}
	}
	return []config.Places{{Runtime: dir, State: c.places.State}, c.places}
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
