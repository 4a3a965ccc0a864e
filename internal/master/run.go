package master

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"time"

	"relevo/internal/announce"
	"relevo/internal/autoscale/scaler"
	"relevo/internal/hangup"
	"relevo/internal/health/monitor"
	"relevo/internal/reaper"
	"relevo/internal/sleep/sleeper"
	"relevo/internal/succession"
	"relevo/internal/threads"
	"relevo/pool"
)

// Run is a master's whole life. It returns nil after a graceful or forced stop.
// An error before anything serves leaves nothing behind.
func Run(ctx context.Context, o Options) error { return newMaster(o).live(ctx) }

// newMaster returns a master that has opened nothing yet.
func newMaster(o Options) *Master {
	c := &core{opts: o, log: o.Log, signals: o.Signals, reaper: reaper.New(reaper.Options{Log: o.Log}),
		parts: parts{begun: time.Now(), boot: &boot{}}, announcer: announce.Announcer{Log: o.Log}}
	m := &Master{core: c, rolls: &rolls{core: c, box: newMailbox()}}
	c.stage.box = m.box
	m.requests = &requests{c, m.rolls}
	m.replacement = &replacement{c, m.rolls}
	m.starts = &starts{core: c, rolls: m.rolls}
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
		Listeners: func() monitor.Listeners { return c.listeners.Set },
		Warn:      func(text string) { c.announcer.Warnings.Set(announce.HealthWarning, text) },
	})
	c.scaler = scaler.New(scaler.Options{
		Log: o.Log, App: c.app, Changed: m.changed.Wait, Slowness: c.health.Slowness,
		Pool:      func() scaler.Pool { return c.running() },
		Listeners: func() scaler.Listeners { return c.listeners.Set },
		Warn:      func(text string) { c.announcer.Warnings.Set(announce.ScaleWarning, text) },
	})
	c.sleeper = sleeper.New(sleeper.Options{
		Log: o.Log, App: c.app, Changed: m.changed.Wait, Fixed: c.scaler.Fixed, Asked: c.health.Asked,
		Pool:      func() sleeper.Pool { return c.running() },
		Listeners: func() sleeper.Listeners { return c.listeners.Set },
		Warn:      func(text string) { c.announcer.Warnings.Set(announce.SleepWarning, text) },
	})
	return m
}

func (m *Master) live(ctx context.Context) error {
	o := m.opts
	threads.Reserve(tasksOfMaster(o.App))
	m.owns = !o.Arrival.Succeeds()
	go m.loop.run()
	defer m.loop.end()
	m.loop.findTerminal()
	defer m.terminal.Close()
	// Signals are taken from the first moment on: after an exec there is no other master to hear
	// them, and in a container an unhandled one would end everything.
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
	case o.Arrival.Way.Reversible(): // if it fails, the previous master keeps running
		steps = []func() error{m.takeOverLegacy, m.openControl, m.whole, m.succeed}
	case m.takeOverForGood():
		steps = []func() error{m.openControl, m.whole, m.succeed}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return stoppedEarly(err)
		}
		if m.stopping() {
			return nil // the stop was requested on the control socket, which awaitFirst opens early
		}
		if !o.Arrival.Succeeds() && stopWanted(m.signals, func() bool { return m.terminal.Meaning() == hangup.Terminal }) {
			m.loop.stops.accept(time.Now())
			m.log.Info("stopped before anything served")
			return nil
		}
	}
	return m.run(ctx)
}

// run starts everything that runs beside the pool, and waits for the pool's end.
func (m *Master) run(ctx context.Context) error {
	ended, end := context.WithCancel(context.Background())
	if m.notify != nil { // before a request can start a succession, which pauses it
		m.notify.socket.OnFlood(m.launcher.Flooded)
		m.notify.socket.OnSlowClose(m.launcher.SlowlyClosed)
		m.notify.serve(m.launcher.Notified)
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
	m.box.hear(false) // every signal heard so far is dealt with
	close(m.succession.Hearing.Ended)
	if errors.Is(err, pool.ErrHandedOver) {
		return m.succession.Finish()
	}
	m.retainListeners()
	// The sockets are closed first: it is better to refuse a client than to let it wait where no
	// worker serves any more. Then the control socket: `relevo stop` waits for its end, and then until
	// close gives up the name.
	err = errors.Join(err, m.listeners.Set.Close(), m.control.Close())
	m.notify.close()
	services.Wait()
	m.later.Wait()
	m.box.settled(context.Background())
	m.loop.end()
	m.loop.outside.Wait()
	return err
}

// runPool runs a pool to its end, and announces its events.
func (m *Master) runPool(ctx context.Context) error {
	var telling sync.WaitGroup
	defer telling.Wait()
	telling.Go(func() { m.tell(ctx) })
	m.systemd.ExtendTimeout(startTime(m.app()))
	return m.running().Run(ctx)
}

// close undoes what was opened, the last first.
func (m *Master) close() {
	if m.succession.HandedOver() || !m.owns {
		return
	}
	m.stage.endSubscriptions()
	if m.control != nil {
		m.control.Close()
	}
	m.notify.close()
	if m.listeners != nil {
		m.report(m.listeners.Set.Close())
	}
	if m.opts.CloseLog != nil {
		m.opts.CloseLog()
	}
	if m.lock != nil {
		m.report(m.lock.Unlock())
	}
}
