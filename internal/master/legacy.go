package master

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/generations"
	"relevo/internal/launch"
	"relevo/pool"
	"relevo/upgrader"
)

// document is the state of everything, as a successor reads it. Then is what that
// one is to do first.
func (m *Master) document(p pool.Legacy, then string) ([]byte, map[string]*os.File, error) {
	state, err := json.Marshal(p)
	if err != nil {
		return nil, nil, fmt.Errorf("internal error: %w", err)
	}
	l := m.state()
	l.Pool, l.Then = state, then
	var files map[string]*os.File
	l.Listeners, files = m.listeners.Upgrader.Legacy()
	for name, file := range p.Files {
		files[name] = file
	}
	text, err := json.Marshal(l)
	if err != nil {
		return nil, nil, fmt.Errorf("internal error: %w", err)
	}
	return text, files, nil
}

// state is what the master itself knows.
func (m *Master) state() legacy {
	l := legacy{
		Format: legacyFormat, Reads: legacyFormat, Version: m.opts.Version, Name: m.opts.App.Name,
		Started: m.begun, Successions: m.successions, FellBack: m.boot.fellBack.Load(), Booting: !m.boot.over.Load(),
		Warnings: m.announcer.Warnings.All(), Stored: m.keeper.names(),
		Terminal: m.terminal.State(),
	}
	l.Health = m.health.Legacy()
	l.Origin = Origin{m.opts.Dir, m.opts.ConfigFile, m.opts.Places.Runtime, m.opts.Places.State}
	for _, w := range m.listeners.Wanted() {
		l.Wanted = append(l.Wanted, listenLegacy(w))
	}
	l.Serving, l.Rolling = m.generations.Keys()
	l.LastSum = m.generations.LastLook()
	return l
}

// inheritForGood is inherit where there is no master before that could go on
// instead: in systemd's store, and after an exec. What cannot be gone on with is a
// reason to begin anew on the same sockets, and not to serve nobody. It says whether
// the workers are to be taken over.
func (m *Master) inheritForGood() (succeeds bool) {
	a := m.opts.Arrival
	spare, given, left := a.spareListeners(), a.sockets, a.copyLeft()
	a.sockets = nil // those of the unit are wanted again if this fails
	err := m.inherit()
	if err == nil {
		a.sockets = append(given, spare...)
		a.closeSockets()
		left.forget()
		return true
	}
	if m.listeners != nil {
		_, files := m.listeners.Upgrader.Legacy()
		for _, file := range files {
			file.Close()
		}
	}
	if m.notify != nil {
		m.notify.Close()
	}
	left.patient = m.opts.App.DrainTimeout + m.opts.App.StopGrace
	m.parts = m.anew(&boot{left: left})
	if a.how == howStore { // after an exec somebody may wait for the succession, and it is one
		m.successions, m.begun = 0, time.Now()
	}
	m.announcer.Warnings.Set(announce.UpgradeWarning,
		"the workers of the previous master could not be taken over, and were replaced: "+
			err.Error())
	m.keeper.forget()
	a.legacy, a.lost, a.sockets, m.owns = nil, err, append(given, spare...), true
	return false
}

// inherit makes a master of what another one has left. Nothing of it is touched:
// until takeOver that one can go on as if nothing had been.
func (m *Master) inherit() error {
	l := m.opts.Arrival.legacy
	in := m.opts.Arrival.in
	m.opts.Arrival.closeSockets() // systemd passes them again; they are among the listeners
	if l.Name != m.opts.App.Name {
		return fmt.Errorf("cannot succeed the master of %q as %q: the name of an app cannot change while it runs", l.Name,
			m.opts.App.Name)
	}
	m.begun, m.successions = l.Started, l.Successions+1
	for kind, text := range l.Warnings {
		m.announcer.Warnings.Set(kind, text)
	}
	m.announcer.Warnings.Set(announce.UpgradeWarning, "")
	m.health.TakeOver(l.Health)
	if err := m.inheritName(in); err != nil {
		return err
	}
	up, err := upgrader.TakeOver(m.upgraderOptions(upgrader.LastListenerFile(l.Stored)), l.Listeners, in)
	if err != nil {
		return err
	}
	var wanted []config.Listen
	for _, w := range l.Wanted {
		wanted = append(wanted, config.Listen(w))
	}
	m.useUpgrader(up, wanted)
	if err := m.openLauncher(); err != nil {
		return err
	}
	return m.inheritPool(l, in)
}

func (m *Master) inheritPool(l *legacy, in *upgrader.Received) error {
	var left pool.Legacy
	if err := json.Unmarshal(l.Pool, &left); err != nil {
		return fmt.Errorf("%w: %w", ErrLegacy, err)
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
	if err := m.inheritConnections(in); err != nil {
		return err
	}
	for _, member := range left.Members {
		if len(member.Process) > 0 && m.launcher.Announce(left.Process(member)) {
			m.adopted = append(m.adopted, strconv.Itoa(member.ID))
		}
	}
	releases, err := m.generations.TakeOver(generations.Left{
		All: l.generations, Serving: l.Serving, Wanted: l.Rolling, LastLook: l.LastSum,
		Files: func(number int) map[string]*os.File { return left.Release(number).Files },
	})
	if err != nil {
		return err
	}
	if err := m.inheritBoot(l, left.Machine.Phase); err != nil {
		return err
	}
	p, err := pool.TakeOver(m.poolOptions(), left, releases)
	if err != nil {
		return err
	}
	m.pool.Store(p)
	return nil
}

func (m *Master) inheritConnections(in *upgrader.Received) error {
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
