package master

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/diskspace"
	"relevo/internal/safefile"
)

// takeName makes this master the only one of its name.
func (m *maker) takeName() error {
	if m.lock != nil {
		return nil // this master starts over after a legacy that it could not take over, and has the lock
	}
	name, places := m.opts.App.Name, m.opts.Places
	if err := config.CheckSocketPath(places.ControlSocket(name)); err != nil {
		return fmt.Errorf("cannot use %s for sockets: %w (RELEVO_RUNTIME_DIR chooses it)", places.Runtime, err)
	}
	if places.Warning != "" {
		m.log.Warn(places.Warning)
	}
	if err := control.MakeRuntimeDir(places.Runtime); err != nil {
		return diskspace.Detail(filepath.Dir(places.Runtime), err)
	}
	var err error
	m.lock, err = acquire(places.Lock(name), places.ControlSocket(name))
	err = diskspace.Detail(places.Runtime, err)
	if errors.Is(err, control.ErrLocked) {
		return control.WithExit(fmt.Errorf("cannot start %q: a master of that name runs already%s; "+
			"give this one another with --name",
			name, whoHas(places.ControlSocket(name), err)), control.ExitBusy)
	}
	return err
}

// acquire takes the lock of the name. If another master holds it and has no control socket, that
// master is about to end, or has just begun: acquire waits for it.
func acquire(lock, socket string) (*control.Lock, error) {
	const patience, look = 3 * time.Second, 20 * time.Millisecond
	giveUp := time.After(patience)
	for {
		held, err := control.Acquire(lock)
		if !errors.Is(err, control.ErrLocked) {
			return held, err
		}
		if _, connectErr := control.Connect(context.Background(),
			socket); control.ExitCode(connectErr) != control.ExitNotRunning {
			return nil, err
		}
		select {
		case <-giveUp:
			return nil, err
		case <-time.After(look):
		}
	}
}

// whoHas names the master that answers on the control socket, or else the process that holds the
// lock.
func whoHas(socket string, refused error) string {
	client, err := control.Connect(context.Background(), socket)
	if err == nil {
		if status, err := client.Status(context.Background()); err == nil {
			return fmt.Sprintf(" (pid %d)", status.PID)
		}
	}
	var held *safefile.HeldError
	if errors.As(refused, &held) {
		return " (" + held.Error() + ")"
	}
	return ""
}
