package master

import (
	"cmp"
	"errors"
	"fmt"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/decide"
	"relevo/internal/generations"
	"relevo/pool"
)

// starts starts the first workers.
type starts struct {
	*core
	*rolls
	order decide.Start
}

// makePool prepares the first generation: what the command's file holds, or, if those bytes are
// known to be bad, the last good release.
func (st *starts) makePool() error {
	defer st.box.hold()()
	first, err := st.generations.Prepare(st.opts.App, "")
	if err != nil {
		return err
	}
	st.look(first)
	st.box.post(looked{})
	reason := st.generations.KnownBad(first)
	next := st.order.Step(decide.NewestPrepared{KnownBad: reason != "", Awaits: st.opts.Await != nil})
	if next == decide.PrepareGood {
		good := st.insteadOf(first, reason)
		if st.order.Step(decide.GoodPrepared{Found: good != nil}) == decide.StartGood {
			st.report(first.Close())
			first = good
		}
	}
	if err := st.giveNotifySocket(first, first); err != nil {
		st.report(first.Close())
		return err
	}
	st.usePool(first)
	return nil
}

// insteadOf prepares the last good release, if there is one.
func (st *starts) insteadOf(bad *generations.Generation, reason string) *generations.Generation {
	record, found := st.generations.LastGood(bad)
	if !found {
		st.log.Error("starting a release that failed before: no good one of this program is kept", "reason", reason)
		return nil
	}
	good, err := st.generations.Prepare(bad.App(), record.SHA256)
	if err != nil {
		st.log.Error("starting a release that failed before: the last good one cannot be started", "reason", reason,
			"err", err)
		return nil
	}
	st.announcer.Warnings.Set(announce.ReleaseWarning, fmt.Sprintf("%s; serving the last good release %s instead", reason,
		announce.ShortRelease(good.Info())))
	st.log.Error("STARTING THE LAST GOOD RELEASE INSTEAD OF THE NEWEST", "reason", reason,
		"release", announce.ShortRelease(good.Info()))
	return good
}

// afterFailedStart tries the last good release after the first one did not start. It returns false
// if there is no other release to try.
func (st *starts) afterFailedStart(err error) bool {
	var failed *pool.StartError
	first := st.serving()
	if !errors.As(err, &failed) {
		return false
	}
	start := decide.FailedStart{
		Blame: failed.Blame, Sum: first.Sum(), Known: st.generations.Known(first), Waits: st.opts.Await != nil,
		FellBack: st.stage.is().FellBack, Stopping: st.stopping(),
	}
	if st.order.Step(decide.StartFailed{FailedStart: start}) == decide.StartEnds {
		return false
	}
	defer st.box.hold()()
	st.generations.NotStarted(first, failed.Reason)
	if _, found := st.generations.LastGood(first); !found {
		return false
	}
	good := st.insteadOf(first, st.generations.KnownBad(first))
	if st.order.Step(decide.GoodPrepared{Found: good != nil}) == decide.StartEnds {
		return false
	}
	announce.Refused(st.log, "start failed", "err", err)
	st.stage.happened(decide.FallsBack)
	st.usePool(good)
	// A stop request may have reached the previous pool.
	return !st.stopping()
}

// usePool makes a pool of a first generation.
func (st *starts) usePool(first *generations.Generation) {
	st.generations.Begin(first)
	app := first.App()
	o := st.poolOptions()
	st.stage.fit(app.WorkerRange())
	o.Workers, o.Release, o.Patience = app.Workers, first, generations.Patience(app)
	st.stage.use(pool.New(o))
}

func (st *starts) poolOptions() pool.Options {
	beat, every := st.beats()
	return pool.Options{
		App: st.opts.App.Name, OnReady: st.listeners.Set.Reassert, OnRoll: st.rolled, Keeper: st.keeper.ForPool(),
		Beat: beat, BeatEvery: every,
	}
}

// started notes that the app serves, and tells systemd and Options.Started.
func (st *starts) started() {
	if st.stage.happened(decide.Serves) == decide.FirstServes {
		first := st.serving()
		st.generations.Started(first)
		st.report(st.boot.sockets.Close())
		st.later.Go(func() { st.boot.unadopted.Stop(cmp.Or(first.App().StopSignal, config.DefaultStopSignal)) })
		if st.opts.Started != nil {
			st.opts.Started(first.Bound())
		}
	}
	st.systemd.Ready(st.statusText())
}
