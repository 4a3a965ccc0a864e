package master

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"relevo/internal/control"
	"relevo/internal/succession"
	"relevo/pool"
	"relevo/upgrader"
)

// estate is what this master leaves to the next one: succession.Estate.
type estate struct{ m *Master }

var _ succession.Estate = estate{}

// Settle waits until nothing is being prepared and everything that ended rolls have set off is
// done: succession.Estate.
func (e estate) Settle() (done func()) {
	letGo := e.m.box.hold()
	resume := e.m.reaper.Pause() // the succession waits for the new program itself
	return func() { resume(); letGo() }
}

// Freeze stops the notify socket, the health checks and the pool: succession.Estate.
func (e estate) Freeze(ctx context.Context) (pool.Legacy, error) {
	e.m.notify.pause()
	e.m.health.Pause()
	left, err := e.m.running().Freeze(ctx)
	if err != nil {
		e.m.health.Resume()
		e.m.notify.resume()
	}
	return left, err
}

// Thaw resumes everything that Freeze has stopped, and does a stop that was requested meanwhile:
// succession.Estate.
func (e estate) Thaw() {
	e.m.report(e.m.running().Thaw())
	e.m.health.Resume()
	e.m.notify.resume()
	if asked, force := e.m.succession.TakeStop(); asked {
		e.m.report(e.m.Stop(force))
	}
}

// Bequeath gathers what the next master gets: succession.Estate.
func (e estate) Bequeath(left pool.Legacy, then string) (l upgrader.Legacy, done func(), err error) {
	m := e.m
	var copies []*os.File
	done = func() {
		for _, file := range copies {
			file.Close()
		}
	}
	l.Document, l.Files, err = e.document(left, then)
	if err != nil {
		return l, done, err
	}
	maps.Copy(l.Files, m.launcher.Connections())
	lend := func(name string, of interface{ File() (*os.File, error) }) {
		file, lendErr := of.File()
		if lendErr != nil {
			err = errors.Join(err, fmt.Errorf("cannot hand over the %s socket: %w", name, lendErr))
			return
		}
		copies = append(copies, file)
		l.Files[name] = file
	}
	lend(controlFile, m.control)
	if m.notify != nil {
		lend(notifyFile, m.notify)
	}
	l.Files[lockFile] = m.lock.File()
	m.keeper.Bequeath(&l)
	return l, done, err
}

// Number counts the masters before the next one: succession.Estate.
func (e estate) Number() int { return e.m.successions + 1 }

// Introduce tells systemd which process takes over, while it still listens to this one:
// succession.Estate.
func (e estate) Introduce(pid int) {
	e.m.systemd.MainPID(pid)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := e.m.systemd.Barrier(ctx); err != nil {
		e.m.log.Warn("systemd may not know the new main process", "pid", pid, "err", err)
	}
}

// HandOver ends the pool without its workers: succession.Estate.
func (e estate) HandOver() error { return e.m.running().HandOver() }

// DetachControl answers no client any more: succession.Estate.
func (e estate) DetachControl() error { return e.m.control.Detach() }

// ReturnControl answers clients again: succession.Estate.
func (e estate) ReturnControl(l upgrader.Legacy) error {
	again, err := control.TakeOver(l.Files[controlFile], e.m.controlPath(), e.m, e.m.log)
	if err != nil {
		return err
	}
	e.m.control = again
	e.m.later.Go(func() { e.m.report(again.Serve()) })
	return nil
}

// document makes the document of the legacy. Then is what the successor is to do first.
func (e estate) document(p pool.Legacy, then string) ([]byte, map[string]*os.File, error) {
	state, err := json.Marshal(p)
	if err != nil {
		return nil, nil, fmt.Errorf("internal error: %w", err)
	}
	l := e.state()
	l.Pool, l.Then = state, then
	var files map[string]*os.File
	l.Listeners, files = e.m.listeners.Set.Legacy()
	for name, file := range p.Files {
		files[name] = file
	}
	text, err := json.Marshal(l)
	if err != nil {
		return nil, nil, fmt.Errorf("internal error: %w", err)
	}
	return text, files, nil
}

// state is the part of the document that the master itself knows.
func (e estate) state() succession.Document {
	m := e.m
	now := m.stage.is()
	l := succession.Document{
		Format: succession.Format, Reads: succession.Format, Version: m.opts.Version, Name: m.opts.App.Name,
		Started: m.begun, Successions: m.successions, Failures: m.succession.Failures(),
		FellBack: now.FellBack, Booting: !now.Served,
		Warnings: m.announcer.Warnings.All(), Stored: m.keeper.Names(),
		Terminal: m.terminal.State(),
	}
	l.Metrics = succession.MetricsLegacy(m.metrics.Legacy())
	l.Health, l.Scale = m.health.Legacy(), m.scaler.Legacy()
	l.Origin = succession.Origin{Dir: m.opts.Dir, ConfigFile: m.opts.ConfigFile, Runtime: m.opts.Places.Runtime,
		State: m.opts.Places.State}
	for _, w := range m.listeners.Wanted() {
		l.Wanted = append(l.Wanted, succession.ListenLegacy(w))
	}
	l.Serving, l.Rolling = m.generations.Keys()
	l.Refused, l.Workers = now.refused, now.fitted
	l.LastSum = m.generations.LastLook()
	return l
}
