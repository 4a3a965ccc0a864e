package cli

import (
	"context"
	"path/filepath"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/ipc"
)

// lookIn are the places where a command looks for a master. Inside a worker that is
// beside its own master's socket first: RELEVO_RUNTIME_DIR of the master is not the
// workers', for a master that a worker starts has places of its own.
func (c *cli) lookIn() []config.Places {
	socket := c.getenv(ipc.EnvControl)
	dir := filepath.Dir(socket)
	if !filepath.IsAbs(socket) || c.getenv("RELEVO_RUNTIME_DIR") != "" || dir == c.places.Runtime {
		return []config.Places{c.places}
	}
	return []config.Places{{Runtime: dir, State: c.places.State}, c.places}
}

// reach connects to the master of a name. The error is that of the first place.
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

// setting is the environment as far as it configures a master. Inside a worker
// RELEVO_NAME names the worker's own master, and is no name for another one.
func (c *cli) setting(name string) string {
	value := c.getenv(name)
	if name == ipc.EnvName && c.getenv(ipc.EnvControl) != "" && filepath.Base(c.getenv(ipc.EnvControl)) == value+".sock" {
		return ""
	}
	return value
}
