package master

import (
	"cmp"
	"errors"
	"fmt"
	"sync/atomic"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/decide"
	"relevo/internal/generations"
	"relevo/internal/succession"
	"relevo/pool"
	"relevo/pool/machine"
)

// boot is the time until a worker serves for the first time. It passes to a
// successor like everything else.
type boot struct {
	sockets  *generations.Hold      //  the first configuration's: a start that fails must not close them
	fellBack atomic.Bool            // the newest release did not start
	over     atomic.Bool            // something has served
	left     succession.LeftWorkers // serve until something of this master does
}

// missing names what a start needs until its end.
func (b *boot) missing() []string {
	if b.sockets == nil && !b.over.Load() {
		return []string{"first sockets"}
	}
	return nil
}

// makePool prepares the first generation: what the command's file holds, or, if
// those bytes are known to be bad, the last good release.
func (m *Master) makePool() error {
	m.preparing.Lock()
	defer m.preparing.Unlock()
	first, err := m.generations.Prepare(m.opts.App, "")
	if err != nil {
		return err
	}
	m.looked(first)
	if reason := m.generations.KnownBad(first); reason != "" && m.opts.Await == nil {
		if good := m.insteadOf(first, reason); good != nil {
			m.report(first.Close())
			first = good
		}
	}
	if err := m.giveNotifySocket(first.App(), first.App()); err != nil {
		m.report(first.Close())
		return err
	}
	m.usePool(first)
	return nil
}

// insteadOf prepares the last good release where there is one.
func (m *Master) insteadOf(bad *generations.Generation, reason string) *generations.Generation {
	record, found := m.generations.LastGood(bad)
	if !found {
		m.log.Error("starting a release that failed before: no good one of this program is kept", "reason", reason)
		return nil
	}
	good, err := m.generations.Prepare(bad.App(), record.SHA256)
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
	start := decide.FailedStart{
		Blame: failed.Blame, Sum: first.Sum(), Known: m.generations.Known(first), Waits: m.opts.Await != nil,
		FellBack: m.boot.fellBack.Load(), Stopping: m.stopping.Load(),
	}
	if !start.FallsBack() {
		return false
	}
	m.preparing.Lock()
	defer m.preparing.Unlock()
	m.generations.NotStarted(first, failed.Reason)
	if _, found := m.generations.LastGood(first); !found {
		return false
	}
	good := m.insteadOf(first, m.generations.KnownBad(first))
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
func (m *Master) usePool(first *generations.Generation) {
	m.generations.Begin(first)
	app := first.App()
	o := m.poolOptions()
	o.Workers, o.Release, o.Patience = app.Workers, first, generations.Patience(app)
	m.pool.Store(pool.New(o))
}

func (m *Master) poolOptions() pool.Options {
	beat, every := m.beats()
	return pool.Options{
		App: m.opts.App.Name, OnReady: m.listeners.Upgrader.Reassert, OnRoll: m.rolled, Keeper: m.keeper.forPool(),
		Beat: beat, BeatEvery: every,
	}
}

// started notes that something serves, and tells who waits for that.
func (m *Master) started() {
	if !m.boot.over.Swap(true) {
		first := m.serving()
		m.generations.Started(first)
		m.report(m.boot.sockets.Release())
		m.later.Go(func() { m.boot.left.Leave(cmp.Or(first.App().StopSignal, config.DefaultStopSignal)) })
		if m.opts.Started != nil {
			m.opts.Started(first.Bound())
		}
	}
	m.systemd.Ready(m.statusText())
}

// takeOverBoot continues a start that the previous master has begun.
func (m *Master) takeOverBoot(l *succession.Document, phase machine.Phase) (err error) {
	m.boot.fellBack.Store(l.FellBack)
	if !l.Booting && phase != machine.Booting { // older documents have the phase alone
		m.boot.over.Store(true)
		return nil
	}
	for _, g := range l.Generations {
		if g.Key == l.Serving {
			m.boot.sockets, err = m.listeners.TakeOver(g)
		}
	}
	return err
}
