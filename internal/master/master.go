package master

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"time"

	"relevo/internal/announce"
	"relevo/internal/autoscale/scaler"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/generations"
	"relevo/internal/hangup"
	"relevo/internal/health/monitor"
	"relevo/internal/launch"
	"relevo/internal/reaper"
	"relevo/internal/sleep/sleeper"
	"relevo/internal/succession"
	"relevo/internal/threads"
	"relevo/pool"
	"relevo/upgrader"
)

// Options are what a master is made of. App, Places and Log are required.
type Options struct {
	App     config.App
	Places  config.Places
	Log     *slog.Logger
	Streams launch.Streams
	Version string
	// ConfigFile is where the configuration is read from, empty if from nowhere.
	ConfigFile string
	// Dir is the directory in which relevo was started, as the user entered it.
	Dir string
	// Load returns the configuration as it is now, App the first time; nil: App
	// never changes.
	Load func() (config.App, error)
	// Arrival is what Arrive has found; nil: this is the first master of the app, and
	// it cannot be replaced.
	Arrival *succession.Arrival
	// Signals are those of ReplacedSignals, if any.
	Signals chan os.Signal
	// Terminal says that somebody at a terminal waits for this process.
	Terminal bool
	// Background says that relevo start waits for the app. Then workers that a killed master has
	// left are ended; otherwise an error names those that are in the way.
	Background bool
	// WorkerOOMScoreAdj is that of workers whose configuration names none; nil: the
	// master's own.
	WorkerOOMScoreAdj *int
	// Started is called once, with the bound addresses, when the pool serves.
	Started func([]control.Listener)
	// Attach is called before anything is started, with the master itself, whose
	// sockets are open. Its error ends the master.
	Attach func(*Master) error
	// Await, if set, is asked before the first start, and after each start that
	// failed, with its error. It returns nil when there is something to start, with
	// the sockets open all the while; its error ends the master. No other release is
	// then started in the place of the newest.
	Await func(ctx context.Context, failed error) error
}

// Master is a running app.
type Master struct {
	*core
	*rolls
	*requests
	*replacement
	*starts
	*maker

	loop     *loop
	control  *control.Server
	notified chan struct{} // closed when nothing more is read from the notify socket
	answers  bool          // clients of the control socket
}

// newMaster has nothing open yet.
func newMaster(o Options) *Master {
	c := &core{opts: o, log: o.Log, signals: o.Signals, reaper: reaper.New(reaper.Options{Log: o.Log}),
		parts: parts{begun: time.Now(), boot: &boot{}}, announcer: announce.Announcer{Log: o.Log}}
	m := &Master{core: c, rolls: &rolls{core: c, box: newMailbox()}}
	m.requests = &requests{c, m.rolls}
	m.replacement = &replacement{c, m.rolls}
	m.starts = &starts{c, m.rolls}
	m.maker = &maker{c, m.starts}
	m.loop = newLoop(c, m.rolls, m.requests, m.replacement)
	if c.signals == nil {
		c.signals = make(chan os.Signal, signalQueue)
	}
	c.succession = succession.New(succession.Options{
		Log: o.Log, Arrival: o.Arrival, Estate: estate{m}, Signals: m.signals, Taken: taken(os.Getpid() == 1),
		Failed: func(text string) { c.announcer.Warnings.Set(announce.UpgradeWarning, text) },
		Later:  c.later.Go,
	})
	c.health = monitor.New(monitor.Options{
		Log: o.Log, App: c.app, Changed: m.changed.Wait, Start: c.reaper.Start, Reap: c.reaper.Reap,
		Pool:      func() monitor.Pool { return c.running() },
		Listeners: func() monitor.Listeners { return c.listeners.Upgrader },
		Warn:      func(text string) { c.announcer.Warnings.Set(announce.HealthWarning, text) },
	})
	c.scaler = scaler.New(scaler.Options{
		Log: o.Log, App: c.app, Changed: m.changed.Wait, Slowness: c.health.Slowness,
		Pool:      func() scaler.Pool { return c.running() },
		Listeners: func() scaler.Listeners { return c.listeners.Upgrader },
	})
	c.sleeper = sleeper.New(sleeper.Options{
		Log: o.Log, App: c.app, Changed: m.changed.Wait, Fixed: c.scaler.Fixed, Asked: c.health.Asked,
		Pool:      func() sleeper.Pool { return c.running() },
		Listeners: func() sleeper.Listeners { return c.listeners.Upgrader },
		Warn:      func(text string) { c.announcer.Warnings.Set(announce.SleepWarning, text) },
	})
	return m
}

// Run is a master's whole life. It returns nil after a graceful or forced stop.
// An error before anything serves leaves nothing behind.
func Run(ctx context.Context, o Options) error { return newMaster(o).live(ctx) }

func (m *Master) live(ctx context.Context) error {
	o := m.opts
	threads.Reserve(tasksOfMaster())
	m.owns = !o.Arrival.Succeeds()
	go m.loop.run()
	defer m.loop.end()
	m.loop.findTerminal()
	defer m.terminal.Close()
	// From the first moment: after a succession there is nobody else, and in a
	// container whatever comes unheard would end it.
	signal.Notify(m.signals, taken(os.Getpid() == 1)...)
	defer func() { m.loop.stops.letGo(m.signals) }()
	defer m.close()
	m.openKeeper()
	steps := []func() error{m.takeName, m.endStrays, m.openListeners, m.openLauncher, m.awaitFirst, m.makePool,
		m.openControl, m.whole, m.succeed}
	switch {
	case !o.Arrival.Succeeds():
	case o.Arrival.Checks:
		return m.rehearse()
	case o.Arrival.Way.Reversible(): // where it fails the previous master goes on
		steps = []func() error{m.takeOverLegacy, m.openControl, m.whole, m.succeed}
	case m.takeOverForGood():
		steps = []func() error{m.openControl, m.whole, m.succeed}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return stoppedEarly(err)
		}
		if m.stage.stopping() {
			return nil // asked for on the control socket, which opens early where there is a wait
		}
		if !o.Arrival.Succeeds() && stopWanted(m.signals, func() bool { return m.terminal.Meaning() == hangup.Terminal }) {
			m.loop.stops.accept(time.Now())
			m.log.Info("stopped before anything served")
			return nil
		}
	}
	return m.run(ctx)
}

func (m *maker) openListeners() error {
	m.useUpgrader(upgrader.New(m.upgraderOptions(upgrader.LastListenerFile(m.keeper.Names()))), m.opts.App.Listen)
	m.listeners.Upgrader.Activate(m.opts.Arrival.Activated())
	sockets, err := m.listeners.Acquire(m.opts.App.Listen)
	if errors.Is(err, upgrader.ErrUnclaimed) {
		err = control.WithExit(err, control.ExitConfig)
	}
	m.boot.sockets = sockets
	return m.strays().explain(err)
}

// upgraderOptions are those of a cold start and of a take-over. lastID is the highest of a
// listener that another master may have left.
func (m *maker) upgraderOptions(lastID int) upgrader.Options {
	return upgrader.Options{
		Log: m.log, Keeper: m.keeper.ForListeners(), LastID: lastID, Siblings: m.opts.App.Capture == config.CaptureAuto,
	}
}

// useUpgrader sees to it that damage to listeners is told. Wanted are the listeners that are
// kept whatever becomes of a roll.
func (m *maker) useUpgrader(up *upgrader.Upgrader, wanted []config.Listen) {
	m.listeners = generations.NewSockets(up, m.opts.Places, m.opts.App.Name, wanted)
	mender{&m.announcer, m.tended, m.later.Go, m.log}.follow(up)
}

func (m *maker) openLauncher() (err error) {
	places, name := m.opts.Places, m.opts.App.Name
	o := launch.Options{
		SnapshotDir:  places.ReleaseStore(name),
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
		Log: m.log, Sockets: m.listeners, Launcher: m.launcher, Admission: m.health.Admission, Stopping: m.stage.stopping,
		Blocked: m.succession.Blocked,
	})
}

// watches look after the app, each on its own, until their contexts end.
func (m *Master) watches() []func(context.Context) {
	binary := binaryWatch{m.log, m.changed.Wait, m.generations, func(c bytesChanged) { m.box.post(c) }}
	memory := memoryWatch{m.app, m.changed.Wait, m.tended, launch.Memory, m.log}
	self := selfWatch{m.app, m.changed.Wait, m.succession, func() bool { return m.upgradeFirst("") }, m.log}
	return []func(context.Context){binary.run, memory.run, m.health.Run, m.scaler.Run, m.sleeper.Run, m.clock().run,
		self.run, m.exporter().Run}
}

// run lets everything go on until the pool has ended.
func (m *Master) run(ctx context.Context) error {
	ended, end := context.WithCancel(context.Background())
	if m.notify != nil { // before anybody can ask for a succession, which pauses it
		m.notify.OnFlood(m.launcher.Flooded)
		m.notify.OnSlowClose(m.launcher.SlowlyClosed)
		m.serveNotify()
	}
	var services sync.WaitGroup
	m.box.hear(true)
	if reaper.Needed() {
		services.Go(func() { m.reaper.Run(ended) })
	}
	m.box.post(begins{})
	for _, watch := range m.watches() {
		services.Go(func() { watch(ended) })
	}
	m.serveControl()
	err := m.runPool(ctx)
	for m.afterFailedStart(err) || m.awaitAnother(ctx, &err) {
		err = m.runPool(ctx)
	}
	end()
	m.box.post(over{})
	m.box.hear(false) // what it has heard is known
	close(m.succession.Hearing.Ended)
	if errors.Is(err, pool.ErrHandedOver) {
		return m.succession.Leave()
	}
	m.retainListeners()
	// The sockets first: a client is better refused than left to wait where
	// nobody serves any more. Then the control socket, whose end tells
	// `relevo stop` that all is over.
	err = errors.Join(err, m.listeners.Upgrader.Close(), m.control.Close())
	if m.notify != nil {
		m.notify.Close()
		<-m.notified
	}
	services.Wait()
	m.later.Wait()
	m.box.settled(context.Background())
	m.loop.end()
	m.loop.outside.Wait()
	return err
}

// runPool runs a pool to its end and tells what happens in it.
func (m *Master) runPool(ctx context.Context) error {
	var telling sync.WaitGroup
	defer telling.Wait()
	telling.Go(func() { m.tell(ctx) })
	m.systemd.ExtendTimeout(startTime(m.app()))
	return m.running().Run(ctx)
}

// close undoes what has been opened, last first.
func (m *Master) close() {
	if m.succession.HandedOver() || !m.owns {
		return
	}
	m.stage.release()
	if m.control != nil {
		m.control.Close()
	}
	if m.notify != nil {
		m.notify.Close()
	}
	if m.listeners != nil {
		m.report(m.listeners.Upgrader.Close())
	}
	if m.lock != nil {
		m.report(m.lock.Unlock())
	}
}
