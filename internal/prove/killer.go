package prove

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"
)

const (
	// recovery bounds the wait for a killed worker's replacement.
	recovery = 30 * time.Second
	// signalBound bounds signals that have to be sent even after the run was cancelled.
	signalBound = 10 * time.Second
)

// killer kills one serving worker after the other, slot by slot.
type killer struct {
	*load
	sockets  bool // the workers' connections can be listed
	lastSlot int

	mu         sync.Mutex
	kills      Kills
	recoveries []time.Duration
}

// newKiller makes a killer; why is the reason why the connections of workers cannot be listed;
// empty if they can.
func newKiller(l *load, why string) *killer {
	k := &killer{load: l, sockets: why == "", lastSlot: -1, kills: Kills{Attribution: BySockets}}
	if !k.sockets {
		k.kills.Attribution, k.kills.AttributionReason = ByTime, why
	}
	return k
}

// run kills until done is closed, and then finishes the current kill. It tries one in any case: a run
// without a kill would prove nothing.
func (k *killer) run(ctx context.Context, done <-chan struct{}) {
	t := time.NewTimer(k.options.KillEvery)
	defer t.Stop()
	var over <-chan struct{} // nil until the first kill was tried, then done
	for {
		select {
		case <-t.C:
		case <-over:
			return
		case <-k.stop:
			return
		}
		start := time.Now()
		if err := k.next(ctx); err != nil && ctx.Err() == nil {
			k.failed(err)
		}
		select {
		case <-done:
			return
		default:
			over = done
		}
		t.Reset(max(k.options.KillEvery-time.Since(start), 0))
	}
}

// next kills the worker whose turn it is and waits for its replacement.
func (k *killer) next(ctx context.Context) error {
	workers, err := k.options.Target.Workers(ctx)
	if err != nil {
		return err
	}
	w, ok := after(workers, k.lastSlot)
	if !ok {
		return errors.New("cannot kill a worker: none is serving")
	}
	k.lastSlot = w.Slot
	at, err := k.kill(ctx, w)
	if err != nil {
		return err
	}
	k.replaced(ctx, w, at)
	return nil
}

// after returns the serving worker of the next slot; after the last slot comes the first.
func after(workers []Worker, slot int) (Worker, bool) {
	serving := slices.DeleteFunc(slices.Clone(workers), func(w Worker) bool { return w.State != Serving })
	if len(serving) == 0 {
		return Worker{}, false
	}
	slices.SortFunc(serving, func(a, b Worker) int { return cmp.Compare(a.Slot, b.Slot) })
	for _, w := range serving {
		if w.Slot > slot {
			return w, true
		}
	}
	return serving[0], true
}

// kill ends a worker and returns the time of that. If its connections can be listed, the worker is
// stopped for that long, but only if it can certainly be continued afterwards.
func (k *killer) kill(ctx context.Context, w Worker) (time.Time, error) {
	e := &entry{stopped: time.Now()}
	if !k.sockets {
		return k.finish(ctx, w, e, none)
	}
	h, err := openHandle(w.PID)
	if err != nil {
		k.byTime(err)
		return k.finish(ctx, w, e, none)
	}
	defer h.close()
	if err := k.signal(ctx, w, syscall.SIGSTOP); err != nil {
		// The signal may have arrived nevertheless.
		return e.stopped, join(fmt.Errorf("cannot stop worker %s: %w", w.ID, err), k.resume(w, h))
	}
	if err = awaitStopped(ctx, w.PID); err == nil {
		e.held, err = holdings(k.endpoint.network, w.PID)
	}
	if ctx.Err() != nil {
		return e.stopped, k.resume(w, h)
	}
	if err != nil {
		e.held = nil
		k.byTime(err)
	}
	return k.finish(ctx, w, e, h)
}

// finish sends the SIGKILL even if ctx has just ended, because the worker may be stopped, and must
// not stay stopped.
func (k *killer) finish(ctx context.Context, w Worker, e *entry, h handle) (time.Time, error) {
	k.ledger.open(e)
	at := time.Now()
	if err := k.signal(context.WithoutCancel(ctx), w, syscall.SIGKILL); err != nil {
		k.ledger.drop(e)
		return at, join(fmt.Errorf("cannot kill worker %s: %w", w.ID, err), k.resume(w, h))
	}
	k.ledger.done(e, time.Now())
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kills.Count++
	return at, nil
}

func (k *killer) signal(ctx context.Context, w Worker, sig syscall.Signal) error {
	ctx, cancel := context.WithTimeout(ctx, signalBound)
	defer cancel()
	return k.options.Target.Signal(ctx, w.ID, sig)
}

// resume continues a stopped worker: through its master, or else directly.
func (k *killer) resume(w Worker, h handle) error {
	if h == none {
		return nil
	}
	err := k.signal(context.Background(), w, syscall.SIGCONT)
	if err == nil {
		return nil
	}
	if err2 := h.cont(); err2 != nil && !errors.Is(err2, syscall.ESRCH) {
		return fmt.Errorf("cannot continue worker %s, which may be stopped: %w: run kill -CONT %d", w.ID, several{err, err2},
			w.PID)
	}
	return nil
}

// byTime records a kill for which connections could not be listed, with the reason.
func (k *killer) byTime(why error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kills.ByTime++
	if k.kills.Attribution == BySockets {
		k.kills.Attribution, k.kills.AttributionReason = ByTime, why.Error()
	}
}

// replaced waits until another worker serves in the slot of the killed one.
func (k *killer) replaced(run context.Context, dead Worker, killed time.Time) {
	const often = 2 * time.Millisecond // resolution of the figure
	ctx, cancel := context.WithTimeout(run, recovery)
	defer cancel()
	t := time.NewTicker(often)
	defer t.Stop()
	for {
		workers, err := k.options.Target.Workers(ctx)
		if err == nil && slices.ContainsFunc(workers, func(w Worker) bool {
			return w.Slot == dead.Slot && w.ID != dead.ID && w.State == Serving
		}) {
			k.recovered(time.Since(killed))
			return
		}
		select {
		case <-t.C:
		case <-run.Done():
			return
		case <-ctx.Done():
			k.unrecovered(dead, err)
			return
		}
	}
}

func (k *killer) recovered(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.recoveries = append(k.recoveries, d)
}

func (k *killer) unrecovered(w Worker, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kills.Unrecovered++
	if err == nil {
		err = errors.New("no other worker serves in its slot")
	}
	k.kills.Errors.add(fmt.Sprintf("cannot see worker %s replaced: %v", w.ID, err))
}

func (k *killer) failed(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kills.Failed++
	k.kills.Errors.add(err.Error())
}

// sofar returns the kills until now.
func (k *killer) sofar() Kills {
	k.mu.Lock()
	defer k.mu.Unlock()
	kills := k.kills
	if n := len(k.recoveries); n > 0 {
		sorted := slices.Sorted(slices.Values(k.recoveries))
		kills.RecoveryMedian, kills.RecoveryMax = Millis(sorted[n/2]), Millis(sorted[n-1])
	}
	return kills
}
