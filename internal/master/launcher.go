package master

import (
	"path/filepath"

	"relevo/internal/config"
	"relevo/internal/diskspace"
	"relevo/internal/generations"
	"relevo/internal/ipc"
	"relevo/internal/launch"
	"relevo/internal/succession"
	"relevo/systemd"
)

func (m *maker) openLauncher() (err error) {
	places, name := m.opts.Places, m.opts.App.Name
	o := launch.Options{
		SnapshotDir:  places.ReleaseStore(name),
		HashDir:      places.Hashes(),
		KeepReleases: m.opts.App.KeepReleases,
		Streams:      m.opts.Streams,
		Log:          m.log,
		Cgroups:      m.cgroups(),
		Children:     m.reaper,
		Keeper:       m.keeper.ForConnections(),
	}
	if m.notify, err = m.openNotify(places.NotifySocket(name)); err != nil {
		if m.opts.App.Ready.Mode == config.ReadyNotify {
			return err
		}
		m.log.Warn("workers get no NOTIFY_SOCKET", "err", err)
	} else {
		o.NotifySocket = places.NotifySocket(name)
	}
	// Without it the workers' own commands do not find their master; nothing else.
	o.ControlSocket, _ = filepath.Abs(places.ControlSocket(name))
	o.OOMScoreAdj = m.opts.WorkerOOMScoreAdj
	if m.launcher, err = launch.New(o); err != nil {
		return err
	}
	m.useLauncher()
	return nil
}

func (m *maker) useLauncher() {
	m.generations = generations.New(generations.Options{
		Log: m.log, Sockets: m.listeners, Launcher: m.launcher, Admission: m.health.Admission, Stopping: m.stopping,
		Blocked: m.succession.Blocked,
	})
}

// cgroups are those of the workers. Workers of a master that ran in the background come from
// its session, and would be outside of the service.
func (m *maker) cgroups() launch.Cgroups {
	all := launch.DelegatedCgroups(m.opts.App.Name)
	if a := m.opts.Arrival; a != nil && a.Way == succession.Asked {
		all.Attach = systemd.Attach
	}
	return all
}

// openNotify takes over the workers' notify socket, or opens a new one.
func (m *maker) openNotify(path string) (*notifications, error) {
	if a := m.opts.Arrival; a != nil && a.In != nil {
		if socket, err := a.In.File(notifyFile); err == nil {
			return m.notifications(ipc.TakeOverNotify(path, socket))
		}
	}
	server, err := ipc.ListenNotify(path)
	return m.notifications(server, diskspace.Detail(filepath.Dir(path), err))
}

func (m *maker) notifications(socket *ipc.NotifyServer, err error) (*notifications, error) {
	if err != nil {
		return nil, err
	}
	return &notifications{socket: socket, report: m.report}, nil
}
