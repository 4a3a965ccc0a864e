package agent

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"relevo/internal/fleet/relevo-fleet/store"
)

// turner does the turns of one app. Its loop owns the fields; what takes time runs beside it, and comes back
// as a message.
type turner struct {
	client  *store.Client
	machine string
	name    string
	app     App
	log     *slog.Logger

	sessions chan *store.Session
	turns    chan *store.Turn
	healths  chan Health
	ends     chan end
	checked  chan error

	session *store.Session // the last one; nil: there was none yet
	turn    *store.Turn    // that the machine has; nil: none
	report  store.Report
	unsaid  bool        // the report has not been written
	busy    bool        // a turn, or settling, is under way
	refused *store.Turn // found not to be valid in this session: nothing to try until another turn or session comes
	health  Health
	failing string // why the app's check failed, since the last turn
}

// end is how a turn has ended.
type end struct {
	turn    *store.Turn    // nil: it was Settle
	session *store.Session // that it was tried with
	err     error
	failing string // why the app's check failed
}

func newTurner(o Options, name string, app App) *turner {
	return &turner{client: o.Client, machine: o.Machine, name: name, app: app, log: o.Log.With("app", name),
		sessions: make(chan *store.Session), turns: make(chan *store.Turn), healths: make(chan Health),
		ends: make(chan end), checked: make(chan error), report: store.Report{Labels: o.Labels}}
}

// tell hands a new session on.
func (t *turner) tell(ctx context.Context, s *store.Session) { send(ctx, t.sessions, s) }

func send[T any](ctx context.Context, to chan T, value T) {
	select {
	case to <- value:
	case <-ctx.Done():
	}
}

// checkEvery is the time between two runs of the app's check while it has its turn.
const checkEvery = 10 * time.Second

func (t *turner) run(ctx context.Context) {
	if !t.remember(ctx) {
		return
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { t.app.Watch(ctx, func(h Health) { send(ctx, t.healths, h) }) })
	beside.Go(func() {
		t.client.Turns(ctx, t.name, t.machine, func(turn *store.Turn) { send(ctx, t.turns, turn) }, t.missed)
	})
	t.busy = true
	beside.Go(func() { send(ctx, t.ends, end{err: t.app.Settle(ctx)}) })
	t.loop(ctx, &beside)
}

func (t *turner) missed(err error) { t.log.Warn("cannot follow its turns; tries again", "err", err) }

// remember reads what this machine has reported last.
func (t *turner) remember(ctx context.Context) bool {
	for ctx.Err() == nil {
		last, err := t.client.LastReport(ctx, t.machine, t.name)
		if err == nil {
			t.report.Turn, t.report.Phase, t.report.Error = last.Turn, last.Phase, last.Error
			return true
		}
		t.log.Warn("cannot read its last report; tries again. The app keeps serving", "err", err)
		sleep(ctx, retry())
	}
	return false
}

func (t *turner) loop(ctx context.Context, beside *sync.WaitGroup) {
	again := time.NewTicker(time.Second)
	again.Stop()
	check := time.NewTicker(checkEvery)
	defer again.Stop()
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case t.session = <-t.sessions:
			t.unsaid, t.refused = true, nil
		case t.turn = <-t.turns:
		case h := <-t.healths:
			t.heal(h, t.failing)
		case e := <-t.ends:
			t.ended(e)
		case err := <-t.checked:
			t.note(err)
		case <-check.C:
			if !t.busy && t.turn != nil && t.report.Phase == store.Done {
				beside.Go(func() { send(ctx, t.checked, t.app.Check(ctx)) })
			}
		case <-again.C:
		}
		again.Stop()
		if !t.advance(ctx, beside) {
			again.Reset(time.Second)
		}
	}
}

// heal takes over the health, and what the check has said.
func (t *turner) heal(h Health, failing string) {
	t.health, t.failing = h, failing
	r, before := &t.report, t.report.Fault
	r.Fault = cmp.Or(h.Fault, failing)
	if r.Running != h.Running || r.Workers != h.Workers || r.Deaths != h.Deaths || r.Fault != before {
		r.Running, r.Workers, r.Deaths = h.Running, h.Workers, h.Deaths
		t.unsaid = true
	}
}

// note takes over the end of a check.
func (t *turner) note(err error) {
	if err != nil && !t.busy {
		t.heal(t.health, err.Error())
	}
}

// ended takes over the end of a turn.
func (t *turner) ended(e end) {
	t.busy = false
	now := t.app.Runs()
	r := &t.report
	r.Version, r.SHA256, r.Deploy = now.Version, now.SHA256, now.Deploy
	t.unsaid = true
	switch {
	case errors.Is(e.err, store.ErrStale):
		if e.session == t.session { // another session may have begun meanwhile: the turn is tried again with that
			t.refused = e.turn
		}
		fallthrough
	case e.turn == nil && r.Phase != store.Done && r.Phase != store.Failed:
		r.Turn, r.Phase, r.Error = "", store.Idle, ""
	case e.turn == nil:
	case e.err != nil:
		r.Turn, r.Phase, r.Error = e.turn.ID, store.Failed, e.err.Error()
		t.log.Error("the turn failed", "turn", e.turn.ID, "version", e.turn.Release.Version, "err", e.err)
	default:
		r.Turn, r.Phase, r.Error = e.turn.ID, store.Done, ""
		t.heal(t.app.Health(), e.failing)
		t.log.Info("the turn is done", "turn", e.turn.ID, "version", now.Version)
	}
}

// advance writes the report, and begins a turn. It returns false to be called again soon.
func (t *turner) advance(ctx context.Context, beside *sync.WaitGroup) bool {
	if t.session == nil || t.busy {
		return true
	}
	if t.unsaid && !t.say(ctx) {
		return false
	}
	over := t.report.Phase == store.Done || t.report.Phase == store.Failed
	if t.turn == nil || t.turn == t.refused || t.turn.ID == t.report.Turn && over {
		return true
	}
	t.busy = true
	e, report := end{turn: t.turn, session: t.session}, t.report
	beside.Go(func() {
		e.failing, e.err = t.do(ctx, e.session, *e.turn, report)
		if ctx.Err() == nil {
			send(ctx, t.ends, e)
		}
	})
	return true
}

// say writes the report.
func (t *turner) say(ctx context.Context) bool {
	t.report.At = time.Now()
	err := t.session.Report(ctx, t.name, t.report)
	if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrStale) {
		t.log.Warn("cannot report; tries again", "err", err)
	}
	t.unsaid = err != nil // ErrStale: the next session is about to come
	return err == nil
}
