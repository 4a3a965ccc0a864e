package master

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"relevo/internal/announce"
	"relevo/internal/decide"
	"relevo/internal/hangup"
	"relevo/pool"
)

// loop owns what a master has to do and in which order. Everything else sends it messages; what
// takes time, or asks the pool, whose loop sends messages, too, is done outside, and sends its
// result. So it never blocks, and its state needs no lock.
type loop struct {
	*core
	*rolls
	*requests
	*replacement

	outside sync.WaitGroup // what was begun and has not sent its result
	quit    chan struct{}  // receives from end
	over    context.Context

	// Below: owned by the loop.
	agenda  decide.Agenda
	last    int // the highest number given
	asked   map[int]workAsked
	ended   map[int]rollEnded
	waits   map[int]waitAsked
	wanted  map[int]rollWanted
	setOver context.CancelFunc
	timer   *time.Timer // nil: nothing is to be tried again
	refusal refusal     // of it; others read it, too
	hears   bool        // signals
	dealing bool        // what was heard last is being done
	hangups []hangup.Meaning
	hushed  chan<- struct{} // closed when nothing is dealt with; nil: nobody waits for that
	left    <-chan struct{} // closed when the terminal has gone
	stops   stops
	ignored map[os.Signal]bool
}

func newLoop(c *core, rs *rolls, q *requests, p *replacement) *loop {
	l := &loop{
		core: c, rolls: rs, requests: q, replacement: p, quit: make(chan struct{}),
		asked: map[int]workAsked{}, ended: map[int]rollEnded{}, waits: map[int]waitAsked{},
		wanted: map[int]rollWanted{}, ignored: map[os.Signal]bool{},
	}
	l.over, l.setOver = context.WithCancel(context.Background())
	return l
}

// run handles messages and signals until end.
func (l *loop) run() {
	defer close(l.box.done)
	defer l.setOver()
	for {
		signals, left, idle := l.listens()
		select {
		case m := <-l.box.messages:
			l.handle(m)
		case sig := <-signals:
			l.heard(sig)
		case <-left:
			if l.left = nil; l.terminal.Followed() {
				l.hungUp(hangup.Terminal)
			}
		case idle <- struct{}{}:
		case <-l.quit:
			return
		}
	}
}

// end returns when the loop has ended.
func (l *loop) end() {
	select {
	case l.quit <- struct{}{}:
		<-l.box.done
	case <-l.box.done:
	}
}

func (l *loop) handle(m message) {
	switch m := m.(type) {
	case workAsked:
		l.step(decide.WorkAsked{Number: note(l, l.asked, m)})
	case prepared:
		l.prepared(m)
	case workDone:
		l.workDone(m)
	case rollEnded:
		l.step(decide.RollEnded{Number: note(l, l.ended, m)})
	case concluded:
		if m.works {
			l.step(decide.Changed{})
		}
		if m.refused != nil {
			l.refused(m.refused)
		}
		if m.frozen {
			l.afterThaw(l.followServing)
		}
		l.step(decide.Concluded{Number: m.number})
	case waitAsked:
		l.step(decide.WaitAsked{Number: note(l, l.waits, m)})
	case rollWanted:
		l.step(decide.RequestAsked{Number: note(l, l.wanted, m), Reload: m.reload})
	case requestBegun:
		l.requestBegun(m)
	case bytesChanged:
		l.bytesChanged(m)
	case refused:
		l.refused(m.why)
	case looked:
		l.step(decide.Looked{})
	case timerRang:
		l.step(decide.TimerRang{Number: m.number})
	case hungUp:
		if l.hears {
			l.hungUp(m.meaning)
		}
	case dealt:
		l.dealt(m)
	case hears:
		l.hear(m)
	case begins:
		l.step(decide.Begins{Now: true})
	case over:
		l.setOver()
		l.step(decide.Begins{})
		l.step(decide.Over{})
	default:
		panic(fmt.Sprintf("internal error: master: unknown message %T", m))
	}
}

// note keeps what a number stands for.
func note[M message](l *loop, in map[int]M, m M) int {
	l.last++
	in[l.last] = m
	return l.last
}

// take returns what a number stood for.
func take[M message](from map[int]M, number int) M {
	m := from[number]
	delete(from, number)
	return m
}

// step does what follows from an event.
func (l *loop) step(e decide.Event) {
	for _, effect := range l.agenda.Step(e) {
		switch e := effect.(type) {
		case decide.BeginWork:
			l.beginWork(e.Number)
		case decide.Conclude:
			m := take(l.ended, e.Number)
			l.outside.Go(func() { l.box.post(l.conclude(e.Number, m)) })
		case decide.EndWait:
			close(take(l.waits, e.Number).over)
		case decide.BeginRequest:
			m := take(l.wanted, e.Number)
			l.outside.Go(func() { l.box.post(l.beginRequest(e.Number, m)) })
		case decide.DropRequest:
			take(l.wanted, e.Number)
		case decide.StartTimer:
			l.startTimer(e)
		case decide.StopTimer:
			l.timer.Stop()
			l.refusal.set("")
		case decide.AskAgain:
			l.handle(rollWanted{cause: "what was refused is tried again"})
		default:
			panic(fmt.Sprintf("internal error: master: unknown effect %T", e))
		}
	}
}

// beginWork gives the word to the one that asked for it, or begins a preparation.
func (l *loop) beginWork(number int) {
	m := l.asked[number]
	if m.kind == held {
		m.answer <- answer{done: func() { l.box.post(workDone{number: number}) }}
		return
	}
	l.outside.Go(func() {
		p := l.prepare(m.task)
		p.number = number
		if !l.box.post(p) && p.generation != nil {
			l.generations.Drop(p.generation)
		}
	})
}

// prepared rolls to a generation, or does not.
func (l *loop) prepared(p prepared) {
	m := l.asked[p.number]
	next := decide.Prepared{
		Late: !l.agenda.Works(p.number), Failed: p.err != nil, Left: errors.Is(p.err, pool.ErrHandedOver),
		Watched: m.kind == again, KnownBad: p.bad != "", Forced: m.reload.Force,
	}.Next()
	switch next {
	case decide.NextDrop:
		if p.generation != nil {
			l.outside.Go(func() { l.generations.Drop(p.generation) })
		}
		return
	case decide.NextAgain:
		l.refused(p.err)
		l.workDone(workDone{number: p.number, err: rollRefused(p.err)})
		return
	case decide.NextAnswer:
		l.workDone(workDone{number: p.number, err: p.err})
		return
	}
	if m.kind.looks() {
		l.look(p.generation)
		l.refusal.set("")
		l.step(decide.Looked{})
	}
	l.outside.Go(func() {
		done := workDone{number: p.number}
		if next == decide.NextRefuse {
			done.err = l.refuseBad(p.generation, p.bad)
		} else {
			done.wait, done.err = l.roll(p.generation, m.kind)
		}
		l.box.post(done)
	})
}

// workDone answers, and goes on to what comes next.
func (l *loop) workDone(m workDone) {
	if w := take(l.asked, m.number); w.kind != held {
		w.answer <- answer{wait: m.wait, err: m.err}
	}
	l.step(decide.WorkDone{Number: m.number})
}

// refused keeps a roll that nobody waits for in mind: the reason, such as a full disk, may pass
// without any change of the file.
func (l *loop) refused(why error) {
	l.refusal.set(why.Error())
	l.step(decide.Refused{})
}

func (l *loop) startTimer(e decide.StartTimer) {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(e.Wait, func() { l.box.post(timerRang{e.Number}) })
	announce.Refused(l.log, "roll refused: the running workers serve on", "err", l.refusal.why(), "again", e.Wait)
	l.announcer.Warnings.Set(announce.WatchWarning, fmt.Sprintf("what changed is not rolled to: %s; tried again at %s",
		l.refusal.why(), time.Now().Add(e.Wait).Format(time.TimeOnly)))
}

// bytesChanged asks for a roll to new bytes.
func (l *loop) bytesChanged(m bytesChanged) {
	l.step(decide.Changed{})
	found := decide.Bytes{Looked: m.Name == l.generations.LastLook(), KnownBad: m.bad != ""}
	switch {
	case found.Looked:
		l.announcer.Warnings.Set(announce.WatchWarning, "")
	case !found.Roll():
		l.log.Warn("not rolled to the new bytes: relevo reload --force tries them again", "reason", m.bad)
	default:
		cause := "the bytes of " + m.Path + " changed"
		if m.Name != m.SHA256 {
			cause = m.Path + " changed, or the directory that it lies in"
		}
		l.handle(rollWanted{cause: cause})
	}
}

// beginRequest begins a roll that nobody waits for. Its end is not waited for, so that a newer
// one can supersede the one under way.
func (l *loop) beginRequest(number int, r rollWanted) requestBegun {
	l.log.Info("roll asked for", "cause", r.cause)
	l.running().Note(pool.Event{Kind: pool.KindRoll, Step: pool.StepAsked, Reason: r.cause})
	l.systemd.Reloading("rolling: " + r.cause)
	asked := l.succession.Owed.Reloads()
	begun := requestBegun{number: number, rollWanted: r}
	if r.reload {
		begun.wait, begun.err = l.Reload(plain)
	} else {
		begun.wait, begun.err = l.rollAgain()
	}
	if handedOver(begun.err) {
		return begun
	}
	if r.reload { // which is also for SIGHUPs whose own requests were dropped
		l.succession.Owed.ReloadsDone(asked)
	}
	if begun.err != nil {
		l.rollSettled(pool.RollResult{}, begun.err)
	}
	return begun
}

func (l *loop) requestBegun(m requestBegun) {
	switch {
	case handedOver(m.err): // or the next master is told
		l.afterThaw(func() { l.box.post(m.rollWanted) })
	case m.err == nil:
		l.outside.Go(func() { l.rollSettled(m.wait(l.over)) })
	}
	l.step(decide.RequestBegun{Number: m.number})
}
