package master

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/diskspace"
	"relevo/internal/safefile"
)

// takeName makes this master the only one of its name. If another master holds the lock and has no
// control socket, that master is about to end, or has just begun: takeName waits for it.
func (m *maker) takeName() error {
	return m.takeNameFrom(control.NobodyAnswers(context.Background(), m.opts.Places.ControlSocket(m.opts.App.Name)))
}

// takeNameOfDead is takeName after the death of the previous master. Processes that it had just
// started may still hold the lock, and even listen at the control socket: a successor that ends
// when it misses its predecessor, or a child before its exec.
func (m *maker) takeNameOfDead() error { return m.takeNameFrom(func() bool { return true }) }

// takeNameFrom waits for a process that holds the lock as long as ends says that it will end.
func (m *maker) takeNameFrom(ends func() bool) error {
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
	m.lock, err = control.AcquireFrom(places.Lock(name), ends)
	err = diskspace.Detail(places.Runtime, err)
	if errors.Is(err, control.ErrLocked) {
		return control.WithExit(fmt.Errorf("cannot start %q: a master of that name runs already%s; "+
			"give this one another with --name",
			name, whoHas(places.ControlSocket(name), err)), control.ExitBusy)
	}
	return err
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
