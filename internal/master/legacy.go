package master

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/generations"
	"relevo/internal/launch"
	"relevo/internal/metrics/exporter"
	"relevo/internal/succession"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/upgrader"
	"relevo/upgrader/listeners"
)

// takeOverForGood is takeOverLegacy without a previous master that could keep running instead: from
// systemd's store, and after an exec. If it fails, this master starts over on the same sockets,
// because nothing would serve otherwise. It says whether the workers will be taken over.
func (m *maker) takeOverForGood() (succeeds bool) {
	a := m.opts.Arrival
	spare, given, unadopted := a.SpareListeners(), a.Sockets, a.CopyWorkers()
	a.Sockets = nil // the unit's sockets are needed again if this fails
	err := m.takeOverLegacy()
	if err == nil {
		a.Sockets = append(given, spare...)
		a.CloseSockets()
		unadopted.Forget()
		return true
	}
	if m.listeners != nil {
		_, files := m.listeners.Set.Legacy()
		for _, file := range files {
			file.Close()
		}
	}
	m.notify.close()
	unadopted.Patient = m.opts.App.DrainTimeout + m.opts.App.StopGrace
	m.parts = m.startOver(&boot{unadopted: unadopted})
	m.stage.takeOver(false, false)
	if a.Way == succession.Store { // after an exec it still counts as a succession, and relevo upgrade may wait for it
		m.successions, m.begun = 0, time.Now()
		m.succession.TakeOver(0)
	}
	m.announcer.Warnings.Set(announce.UpgradeWarning,
		"the workers of the previous master could not be taken over, and were replaced: "+
			err.Error())
	m.keeper.Forget()
	a.Left, a.Lost, a.Sockets, m.owns = nil, err, append(given, spare...), true
	return false
}

// takeOverLegacy rebuilds the app from the legacy. It changes neither workers nor sockets: until
// succeed, the previous master can keep running as if nothing had happened.
func (m *maker) takeOverLegacy() error {
	l := m.opts.Arrival.Left
	in := m.opts.Arrival.In
	m.opts.Arrival.CloseSockets() // systemd passes them again; they are among the listeners
	if l.Name != m.opts.App.Name {
		return fmt.Errorf("cannot succeed the master of %q as %q: the name of an app cannot change while it runs", l.Name,
			m.opts.App.Name)
	}
	m.begun, m.successions = l.Started, l.Successions+1
	m.succession.TakeOver(l.Failures)
	for kind, text := range l.Warnings {
		m.announcer.Warnings.Set(kind, text)
	}
	m.announcer.Warnings.Set(announce.UpgradeWarning, "")
	m.announcer.Warnings.Set(announce.WatchWarning, "") // set again with what is tried again
	m.metrics.TakeOver(exporter.Legacy(l.Metrics))
	m.health.TakeOver(l.Health)
	m.scaler.TakeOver(l.Scale)
	if err := m.takeOverName(in); err != nil {
		return err
	}
	set, err := listeners.TakeOver(m.listenerOptions(listeners.LastID(l.Stored)), l.Listeners, in)
	if err != nil {
		return err
	}
	var wanted []config.Listen
	for _, w := range l.Wanted {
		wanted = append(wanted, config.Listen(w))
	}
	m.useListeners(set, wanted)
	if err := m.openLauncher(); err != nil {
		return err
	}
	return m.takeOverPool(l, in)
}

// takeOverName takes over the lock of the name, or takes a new one if it ended with the
// previous master.
func (m *maker) takeOverName(in *upgrader.Received) error {
	lock, err := in.File(lockFile)
	if errors.Is(err, upgrader.ErrNotInLegacy) {
		return m.takeNameOfDead()
	}
	if err != nil {
		return err
	}
	m.lock = control.TakeOverLock(lock, m.opts.Places.Lock(m.opts.App.Name))
	return nil
}

func (m *maker) takeOverPool(l *succession.Document, in *upgrader.Received) error {
	var left pool.Legacy
	if err := json.Unmarshal(l.Pool, &left); err != nil {
		return fmt.Errorf("%w: %w", succession.ErrLegacy, err)
	}
	left.Files = map[string]*os.File{}
	for _, name := range in.Names() {
		if pool.OwnsFile(name) {
			file, err := in.File(name)
			if err != nil {
				return err
			}
			left.Files[name] = file
		}
	}
	if err := m.takeOverConnections(in); err != nil {
		return err
	}
	for _, member := range left.Members {
		if len(member.Process) > 0 && m.launcher.Announce(left.Process(member)) {
			m.adopted = append(m.adopted, strconv.Itoa(member.ID))
		}
	}
	releases, err := m.generations.TakeOver(generations.Left{
		All: l.Generations, Serving: l.Serving, Wanted: l.Rolling, LastLook: l.LastSum,
		Files: func(number int) map[string]*os.File { return left.Release(number).Files },
	})
	if err != nil {
		return err
	}
	app := m.app()
	m.stage.fit(app.WorkerRange())
	if l.Workers != nil {
		m.stage.fit(*l.Workers)
	}
	if err := m.takeOverBoot(l, left.Machine.Phase); err != nil {
		return err
	}
	p, err := pool.TakeOver(m.poolOptions(), left, releases)
	if err != nil {
		return err
	}
	m.stage.use(p)
	return nil
}

func (m *maker) takeOverConnections(in *upgrader.Received) error {
	files := map[string]*os.File{}
	for _, name := range in.Names() {
		if launch.OwnsFile(name) {
			file, err := in.Socket(name)
			if err != nil {
				return err
			}
			files[name] = file
		}
	}
	m.launcher.TakeOverConnections(files)
	return nil
}

// takeOverBoot continues a start that the previous master has begun.
func (m *maker) takeOverBoot(l *succession.Document, phase machine.Phase) (err error) {
	over := !l.Booting && phase != machine.Booting // older documents have the phase alone
	m.stage.takeOver(l.FellBack, over)
	if over {
		return nil
	}
	for _, g := range l.Generations {
		if g.Key == l.Serving {
			m.boot.sockets, err = m.listeners.TakeOver(g)
		}
	}
	return err
}
