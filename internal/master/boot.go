package master

import (
	"cmp"
	"errors"
	"fmt"
	"sync/atomic"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/decide"
	"relevo/internal/launch/store"
	"relevo/pool"
	"relevo/pool/machine"
)

// boot is the time until a worker serves for the first time. It passes to a
// successor like everything else.
type boot struct {
	sockets  *hold       // the first configuration's: a start that fails must not close them
	fellBack atomic.Bool // the newest release did not start
	over     atomic.Bool // something has served
	left     leftWorkers // serve until something of this master does
}

// makePool prepares the first generation: what the command's file holds, or, if
// those bytes are known to be bad, the last good release.
func (m *Master) makePool() error {
	m.preparing.Lock()
	defer m.preparing.Unlock()
	first, err := m.prepare(m.opts.App, "")
	if err != nil {
		return err
	}
	m.looked(first)
	if reason := m.knownBad(first); reason != "" && m.opts.Await == nil {
		if good := m.insteadOf(first, reason); good != nil {
			m.report(first.Close())
			first = good
		}
	}
	if err := m.giveNotifySocket(first.app, first.app); err != nil {
		m.report(first.Close())
		return err
	}
	m.usePool(first)
	return nil
}

// insteadOf prepares the last good release where there is one.
func (m *Master) insteadOf(bad *generation, reason string) *generation {
	record, found := m.lastGood(bad)
	if !found {
		m.log.Error("starting a release that failed before: no good one of this program is kept", "reason", reason)
		return nil
	}
	good, err := m.prepare(bad.app, record.SHA256)
	if err != nil {
		m.log.Error("starting a release that failed before: the last good one cannot be started", "reason", reason,
			"err", err)
		return nil
	}
	m.announcer.Warnings.Set(announce.ReleaseWarning, fmt.Sprintf("%s; serving the last good release %s instead", reason,
		announce.ShortRelease(good.Info())))
	m.log.Error("STARTING THE LAST GOOD RELEASE INSTEAD OF THE NEWEST", "reason", reason,
		"release", announce.ShortRelease(good.Info()))
	return good
}

// afterFailedStart gives the last good release its turn where the first one did
// not come up. It says false where there is nothing else to try.
func (m *Master) afterFailedStart(err error) bool {
	var failed *pool.StartError
	first := m.serving()
	if !errors.As(err, &failed) {
		return false
	}
	sum := first.Info().SHA256
	start := decide.FailedStart{
		Blame: failed.Blame, Sum: sum, Known: knownOf(m.launcher.Store().Verdict(sum)), Waits: m.opts.Await != nil,
		FellBack: m.boot.fellBack.Load(), Stopping: m.stopping.Load(),
	}
	if !start.FallsBack() {
		return false
	}
	m.preparing.Lock()
	defer m.preparing.Unlock()
	m.mark(first.Info().SHA256, store.Bad, failed.Reason, first.fingerprint)
	if _, found := m.lastGood(first); !found {
		return false
	}
	good := m.insteadOf(first, m.badReason(first.Info(), first.fingerprint))
	if good == nil {
		return false
	}
	announce.Refused(m.log, "start failed", "err", err)
	m.boot.fellBack.Store(true)
	m.usePool(good)
	// Who asked for the end in between asked a pool that was gone.
	return !m.stopping.Load()
}

// usePool makes a pool of a first generation.
func (m *Master) usePool(first *generation) {
	m.setWanted(first)
	m.setServing(first, first)
	m.report(first.sockets.serve(first.app.Listen))
	o := m.poolOptions()
	o.Workers, o.Release, o.Patience = first.app.Workers, first, patience(first.app)
	m.pool.Store(pool.New(o))
}

func (m *Master) poolOptions() pool.Options {
	beat, every := m.beats()
	return pool.Options{
		App: m.opts.App.Name, OnReady: m.listeners.upgrader.Reassert, OnRoll: m.rolled, Keeper: m.keeper.forPool(),
		Beat: beat, BeatEvery: every,
	}
}

// started notes that something serves, and tells who waits for that.
func (m *Master) started() {
	if !m.boot.over.Swap(true) {
		first := m.serving()
		if sum := first.Info().SHA256; sum != "" {
			m.mark(sum, store.Good, "", first.fingerprint)
		}
		m.report(m.boot.sockets.release())
		m.later.Go(func() { m.boot.left.leave(cmp.Or(first.app.StopSignal, config.DefaultStopSignal)) })
		if m.opts.Started != nil {
			m.opts.Started(first.sockets.forPeople())
		}
	}
	m.systemd.Ready(m.statusText())
}

// inheritBoot goes on with a start that the previous master has begun.
func (m *Master) inheritBoot(l *legacy, phase machine.Phase) (err error) {
	m.boot.fellBack.Store(l.FellBack)
	if !l.Booting && phase != machine.Booting { // older documents have the phase alone
		m.boot.over.Store(true)
		return nil
	}
	for _, g := range l.generations {
		if g.Key == l.Serving {
			m.boot.sockets, err = m.listeners.hold(g.Listeners, g.Sockets)
		}
	}
	return err
}
