package master

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"relevo/config"
	"relevo/control"
	"relevo/ipc"
	"relevo/launch"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/systemd"
	"relevo/upgrader"
)

// Options are what a master is made of. App, Places and Log are required.
type Options struct {
	App     config.App
	Places  config.Places
	Log     *slog.Logger
	Streams launch.Streams
	Version string
	// Started is called once, with the bound addresses, when the pool serves.
	Started func([]control.Listener)
}

// Master is a running app.
type Master struct {
	opts      Options
	log       *slog.Logger
	lock      *control.Lock
	upgrader  *upgrader.Upgrader
	listeners []control.Listener
	notify    *ipc.NotifyServer // nil where the system has none
	launcher  *launch.Launcher
	release   *launch.Release // the first; the pool's own once it runs
	pool      *pool.Pool
	ran       bool // the pool has run, and has closed its releases
	control   *control.Server
	systemd   *systemd.Notifier
	reloads   chan reloadRequest // from signals and the watch
	watched   string             // the executable, symbolic links not resolved
	prepared  preparation
}

// Run is a master's whole life. It returns nil after a graceful or forced stop.
// An error before anything serves leaves nothing behind.
func Run(ctx context.Context, o Options) error {
	m := &Master{opts: o, log: o.Log, reloads: make(chan reloadRequest, 1)}
	defer m.close()
	for _, step := range []func() error{m.takeName, m.openListeners, m.openLauncher, m.makePool, m.openControl} {
		if err := step(); err != nil {
			return err
		}
	}
	return m.run(ctx)
}

// takeName makes this master the only one of its name.
func (m *Master) takeName() error {
	name, places := m.opts.App.Name, m.opts.Places
	if err := config.CheckSocketPath(places.ControlSocket(name)); err != nil {
		return fmt.Errorf("cannot use %s for sockets: %w (RELEVO_RUNTIME_DIR chooses it)", places.Runtime, err)
	}
	if places.Warning != "" {
		m.log.Warn(places.Warning)
	}
	if err := control.MakeRuntimeDir(places.Runtime); err != nil {
		return err
	}
	var err error
	m.lock, err = acquire(places.Lock(name), places.ControlSocket(name))
	if errors.Is(err, control.ErrLocked) {
		return control.WithExit(fmt.Errorf("cannot start %q: a master of that name runs already%s; give this one another with --name",
			name, whoHas(places.ControlSocket(name))), control.ExitBusy)
	}
	return err
}

// acquire takes the lock of the name. A master that holds it and has no control
// socket is in its last moments, or in its first: that is waited for.
func acquire(lock, socket string) (*control.Lock, error) {
	const patience, look = 3 * time.Second, 20 * time.Millisecond
	giveUp := time.After(patience)
	for {
		held, err := control.Acquire(lock)
		if !errors.Is(err, control.ErrLocked) {
			return held, err
		}
		if _, connectErr := control.Connect(context.Background(), socket); control.ExitCode(connectErr) != control.ExitNotRunning {
			return nil, err
		}
		select {
		case <-giveUp:
			return nil, err
		case <-time.After(look):
		}
	}
}

func whoHas(socket string) string {
	client, err := control.Connect(context.Background(), socket)
	if err != nil {
		return ""
	}
	status, err := client.Status(context.Background())
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", status.PID)
}

func (m *Master) openListeners() (err error) {
	if m.upgrader, err = upgrader.New(m.log); err != nil {
		return err
	}
	listeners, err := m.upgrader.Listen(m.opts.App.Listen)
	for _, l := range listeners {
		m.listeners = append(m.listeners, control.Listener{Name: l.Name, Address: l.Address})
	}
	return err
}

func (m *Master) openLauncher() (err error) {
	places, name := m.opts.Places, m.opts.App.Name
	o := launch.Options{
		SnapshotDir: filepath.Join(places.AppState(name), "releases"),
		Streams:     m.opts.Streams,
		Log:         m.log,
	}
	if m.notify, err = ipc.ListenNotify(places.NotifySocket(name)); err != nil {
		if m.opts.App.Ready.Mode == config.ReadyNotify {
			return err
		}
		m.log.Warn("workers get no NOTIFY_SOCKET", "err", err)
	} else {
		o.NotifySocket = places.NotifySocket(name)
	}
	m.launcher, err = launch.New(o)
	return err
}

func (m *Master) makePool() error {
	m.prepared.mu.Lock()
	release, err := m.prepareLocked()
	m.prepared.mu.Unlock()
	if err != nil {
		return err
	}
	m.release, m.watched = release, release.Source()
	app := m.opts.App
	var addresses []string
	for _, l := range m.listeners {
		addresses = append(addresses, l.Address)
	}
	canary := app.Canary
	if canary == 0 {
		canary = -1 // the machine's word for none
	}
	m.pool = pool.New(pool.Options{
		App: app.Name, Workers: app.Workers, Release: release, Addresses: addresses,
		Patience: machine.Options{
			Surge: app.Surge, Canary: canary, ReadyTimeout: app.ReadyTimeout, DrainTimeout: app.DrainTimeout,
			StopGrace: app.StopGrace,
		},
		OnReady: m.upgrader.Reassert,
	})
	return nil
}

// prepareLocked looks up what the command's file holds now.
func (m *Master) prepareLocked() (*launch.Release, error) {
	release, err := m.launcher.Prepare(m.command())
	if err == nil {
		m.prepared.sum = release.Info().SHA256
	}
	return release, err
}

func (m *Master) command() launch.Command {
	app := m.opts.App
	var listeners []launch.Listener
	for i, l := range m.upgrader.Listeners() {
		listeners = append(listeners, launch.Listener{Name: l.Name, Address: m.listeners[i].Address, File: l.File()})
	}
	return launch.Command{
		App: app.Name, Args: app.Command, Listeners: listeners, Dir: app.Dir, Env: app.Env, EnvFiles: app.EnvFiles,
		Ready: app.Ready, StopSignal: app.StopSignal, ExecFrom: app.ExecFrom, Limits: app.Limits,
	}
}

func (m *Master) openControl() (err error) {
	m.control, err = control.Listen(m.opts.Places.ControlSocket(m.opts.App.Name), m, m.log)
	return err
}

// run lets everything go on until the pool has ended.
func (m *Master) run(ctx context.Context) error {
	// SIGPIPE is taken so that a closed stdout is an error of a write and not the
	// end of the master; a handler, unlike ignoring it, is not inherited.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGHUP, unix.SIGTERM, unix.SIGINT, unix.SIGTTIN, unix.SIGTTOU, unix.SIGUSR2, unix.SIGPIPE)
	defer signal.Stop(signals)
	m.systemd = systemd.NewNotifier(os.Getenv, func(err error) { m.log.Warn("cannot notify systemd", "err", err) })

	ended, end := context.WithCancel(context.Background())
	var services sync.WaitGroup
	services.Go(func() { m.tell(ended) })
	services.Go(func() { m.serveSignals(ended, signals) })
	services.Go(func() { m.serveReloads(ended) })
	services.Go(func() { m.watch(ended) })
	services.Go(func() { m.report(m.control.Serve()) })
	if m.notify != nil {
		services.Go(func() { m.report(m.notify.Serve(m.launcher.Notified)) })
	}
	err := m.pool.Run(ctx)
	m.ran = true
	end()
	// The sockets first: a client is better refused than left to wait where
	// nobody serves any more. Then the control socket, whose end tells
	// `relevo stop` that all is over.
	err = errors.Join(err, m.upgrader.Close(), m.control.Close())
	if m.notify != nil {
		m.notify.Close()
	}
	services.Wait()
	return err
}

func (m *Master) report(err error) {
	if err != nil {
		m.log.Error("internal error", "err", err)
	}
}

// close undoes what has been opened, last first.
func (m *Master) close() {
	if m.control != nil {
		m.control.Close()
	}
	if m.notify != nil {
		m.notify.Close()
	}
	if m.release != nil && !m.ran {
		m.report(m.release.Close())
	}
	if m.upgrader != nil {
		m.report(m.upgrader.Close())
	}
	if m.lock != nil {
		m.report(m.lock.Release())
	}
}
