package generations

import (
	"errors"

	"relevo/internal/config"
	"relevo/internal/launch"
	"relevo/pool"
)

// Prepare makes a generation of a configuration: it opens the sockets and keeps a copy of the
// bytes. The bytes are those of the command's file, or of the kept release with the hash sum.
func (gs *Generations) Prepare(app config.App, sum string) (*Generation, error) {
	if err := gs.o.Blocked(); err != nil {
		return nil, err
	}
	sockets, err := gs.o.Sockets.Acquire(app.Listen)
	if err != nil {
		return nil, err
	}
	command := gs.command(app, sockets)
	release, err := gs.release(command, sum)
	if err != nil {
		gs.report(errors.Join(sockets.Close(), gs.o.Sockets.Revert()))
		return nil, err
	}
	g := &Generation{Release: release, of: gs, key: gs.nextKey(), app: app, sockets: sockets,
		fingerprint: command.Fingerprint()}
	g.capturing, _ = command.Sockets.(*capturing)
	return g, nil
}

func (gs *Generations) release(command launch.Command, sum string) (*launch.Release, error) {
	if sum == "" {
		return gs.o.Launcher.Prepare(command)
	}
	return gs.o.Launcher.PrepareStored(command, sum)
}

func (gs *Generations) nextKey() int {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.now.keys++
	return gs.now.keys
}

func (gs *Generations) command(app config.App, sockets *Hold) launch.Command {
	return launch.Command{
		App: app.Name, Args: app.Command, Listeners: sockets.forWorkers(), Dir: app.Dir, Env: app.Env, EnvFiles: app.EnvFiles,
		EnvInherit: app.EnvInherit,
		Ready:      app.Ready, StopSignal: app.StopSignal, ExecFrom: app.ExecFrom, Limits: app.Limits, Rescue: app.Rescue,
		NoPreload: app.NoPreload, NodeLoad: app.NodeLoad, SendReady: app.Compat == config.CompatPM2,
		Sockets: gs.socketsFor(app, sockets), Admission: gs.o.Admission(app),
		NeedCopy: gs.Serving() != nil,
	}
}

// Look finds the release that a reload with a configuration would roll to, and why it would be
// refused. It opens and keeps nothing.
func (gs *Generations) Look(app config.App) (next pool.Info, refused string, err error) {
	command := gs.command(app, gs.Serving().sockets)
	command.Listeners = nil
	for _, l := range app.Listen {
		command.Listeners = append(command.Listeners, launch.Listener{Name: l.Name})
	}
	if next, err = gs.o.Launcher.Look(command); err != nil {
		return next, "", err
	}
	return next, gs.BadReason(next, command.Fingerprint()), nil
}
