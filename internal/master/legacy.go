package master

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/decide"
	"relevo/internal/launch"
	"relevo/pool"
	"relevo/upgrader"
)

// generationLegacy is a generation in the document.
type generationLegacy struct {
	Key         int               `json:"key"`
	App         config.App        `json:"app"`
	Listeners   []int             `json:"listeners"` // their IDs, in the order of App, then those that programs have bound
	Sockets     []inheritedSocket `json:"sockets"`   // as its workers find them
	Fingerprint string            `json:"fingerprint"`
	BackFrom    judgedLegacy      `json:"back_from,omitzero"`
	Trial       trial             `json:"trial,omitzero"`
	Release     json.RawMessage   `json:"release"`
}

type inheritedSocket struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

type judgedLegacy struct {
	Sum         string `json:"sum"`
	Fingerprint string `json:"fingerprint"`
}

// Legacy is the release's, with what this package knows of the generation:
// pool.Release.
func (g *generation) Legacy() pool.ReleaseLegacy {
	release := g.Release.Legacy()
	l := generationLegacy{
		Key: g.key, App: g.master.appOf(g), Fingerprint: g.fingerprint,
		BackFrom: judgedLegacy(g.backFrom),
		Trial:    g.trial,
		Release:  release.State,
	}
	l.Listeners, l.Sockets = g.sockets.legacy()
	state, err := json.Marshal(l)
	if err != nil {
		panic(fmt.Sprintf("internal error: master: %v", err)) // it holds nothing that can fail
	}
	return pool.ReleaseLegacy{State: state, Files: release.Files}
}

func (h *hold) legacy() (ids []int, sockets []inheritedSocket) {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	for i, held := range h.held {
		ids = append(ids, held.ID())
		sockets = append(sockets, inheritedSocket{h.sockets[i].Name, h.sockets[i].Address})
	}
	return ids, sockets
}

// inheritGeneration makes a generation again. Its files are those of the pool's
// legacy.
func (m *Master) inheritGeneration(l generationLegacy, files map[string]*os.File) (*generation, error) {
	sockets, err := m.listeners.hold(l.Listeners, l.Sockets)
	if err != nil {
		return nil, err
	}
	sockets.configured = min(len(l.App.Listen), len(sockets.held))
	command := m.command(l.App, sockets)
	release, err := m.launcher.Inherit(command, pool.ReleaseLegacy{State: l.Release, Files: files})
	if err != nil {
		return nil, err
	}
	m.keys = max(m.keys, l.Key)
	g := &generation{
		Release: release, master: m, key: l.Key, app: l.App, sockets: sockets, fingerprint: l.Fingerprint,
		backFrom: decide.Release(l.BackFrom),
	}
	g.capturing, _ = command.Sockets.(*capturing)
	g.try(l.Trial)
	return g, nil
}

// hold is acquire for sockets that are open, by their IDs.
func (l *listeners) hold(ids []int, sockets []inheritedSocket) (*hold, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := &hold{all: l}
	for i, id := range ids {
		listener := l.upgrader.Find(id)
		if listener == nil || i >= len(sockets) {
			return nil, fmt.Errorf("%w: listener %d is missing", ErrLegacy, id)
		}
		h.held = append(h.held, listener)
		h.sockets = append(h.sockets, upgrader.Inheritable{Name: sockets[i].Name, Address: sockets[i].Address,
			File: listener.File()})
	}
	for _, listener := range h.held {
		l.holders[listener]++
	}
	return h, nil
}

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
	l.Listeners, files = m.listeners.upgrader.Legacy()
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
	m.listeners.mu.Lock()
	for _, w := range m.listeners.serving {
		l.Wanted = append(l.Wanted, listenLegacy(w))
	}
	m.listeners.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	l.LastSum = m.lastSum
	if m.current != nil {
		l.Serving, l.Rolling = m.current.key, m.wanted.key
	}
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
		_, files := m.listeners.upgrader.Legacy()
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
	m.begun, m.successions, m.lastSum = l.Started, l.Successions+1, l.LastSum
	for kind, text := range l.Warnings {
		m.announcer.Warnings.Set(kind, text)
	}
	m.announcer.Warnings.Set(announce.UpgradeWarning, "")
	m.health.Inherit(l.Health)
	if err := m.inheritName(in); err != nil {
		return err
	}
	up, err := upgrader.Inherit(upgrader.Options{
		Log: m.log, Keeper: m.keeper.files(), LastID: upgrader.LastListenerFile(l.Stored),
		Siblings: m.opts.App.Capture == config.CaptureAuto,
	}, l.Listeners, in)
	if err != nil {
		return err
	}
	m.useUpgrader(up)
	for _, w := range l.Wanted {
		m.listeners.serving = append(m.listeners.serving, config.Listen(w))
	}
	if err := m.openLauncher(); err != nil {
		return err
	}
	return m.inheritPool(l, in)
}

func (m *Master) inheritPool(l *legacy, in *upgrader.Inheritance) error {
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
	releases := map[int]pool.Release{}
	for number, known := range l.generations {
		g, err := m.inheritGeneration(known, left.Release(number).Files)
		if err != nil {
			return err
		}
		releases[number] = g
		if known.Key == l.Serving {
			m.current = g
		}
		if known.Key == l.Rolling {
			m.wanted = g
		}
	}
	if m.current == nil {
		return fmt.Errorf("%w: the generation that serves is missing", ErrLegacy)
	}
	if m.wanted == nil {
		m.wanted = m.current
	}
	if err := m.inheritBoot(l, left.Machine.Phase); err != nil {
		return err
	}
	p, err := pool.Inherit(m.poolOptions(), left, releases)
	if err != nil {
		return err
	}
	m.pool.Store(p)
	return nil
}

func (m *Master) inheritConnections(in *upgrader.Inheritance) error {
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
	m.launcher.InheritConnections(files)
	return nil
}

// useUpgrader sees to it that damage to listeners is told.
func (m *Master) useUpgrader(up *upgrader.Upgrader) {
	m.listeners = &listeners{upgrader: up, holders: map[*upgrader.Listener]int{},
		rivals: rivals{m.opts.Places, m.opts.App.Name}}
	m.tellHealed(up)
}
