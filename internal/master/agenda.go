package master

import (
	"errors"
	"fmt"
	"time"

	"relevo/internal/announce"
	"relevo/internal/decide"
	"relevo/pool"
)

// step performs the effects of an event of the agenda.
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
			l.stage.refuse("")
		case decide.AskAgain:
			l.want(rollWanted{cause: "what was refused is tried again"})
		default:
			panic(fmt.Sprintf("internal error: master: unknown effect %T", e))
		}
	}
}

// want requests a roll for which no caller waits.
func (l *loop) want(m rollWanted) {
	l.step(decide.RequestAsked{Number: note(l, l.wanted, m), Reload: m.reload})
}

// beginWork lets the caller that holds the turn continue, or begins a preparation.
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

// prepared rolls to the prepared generation, or drops it.
func (l *loop) prepared(p prepared) {
	m := l.asked[p.number]
	next := decide.Prepared{
		Late: !l.agenda.Works(p.number), Failed: p.err != nil, Left: errors.Is(p.err, pool.ErrHandedOver),
		Watched: m.kind == again, Same: m.changed && p.same, KnownBad: p.bad != "", Forced: m.reload.Force,
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
		l.stage.refuse("")
		l.step(decide.Looked{})
	}
	l.outside.Go(func() {
		done := workDone{number: p.number}
		switch next {
		case decide.NextRefuse:
			done.err = l.refuseBad(p.generation, p.bad)
		case decide.NextKeep:
			done.wait = l.keep(p.generation)
		default:
			done.wait, done.err = l.roll(p.generation, m.task)
		}
		l.box.post(done)
	})
}

// workDone answers the caller, and begins the next work.
func (l *loop) workDone(m workDone) {
	if w := take(l.asked, m.number); w.kind != held {
		w.answer <- answer{wait: m.wait, err: m.err}
	}
	l.step(decide.WorkDone{Number: m.number})
}

// refused remembers a refused roll for which no caller waits: the reason, such as a full disk, may
// pass without any change of the file.
func (l *loop) refused(why error) {
	l.stage.refuse(why.Error())
	l.step(decide.Refused{})
}

func (l *loop) startTimer(e decide.StartTimer) {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer = time.AfterFunc(e.Wait, func() { l.box.post(timerRang{e.Number}) })
	announce.Refused(l.log, "roll refused: the running workers keep serving", "err", l.stage.is().refused, "again", e.Wait)
	l.announcer.Warnings.Set(announce.WatchWarning, fmt.Sprintf("what changed is not rolled to: %s; tried again at %s",
		l.stage.is().refused, time.Now().Add(e.Wait).Format(time.TimeOnly)))
}

// bytesChanged requests a roll to the new bytes, unless they are known to be bad.
func (l *loop) bytesChanged(m bytesChanged) {
	l.step(decide.Changed{})
	found := decide.Bytes{Looked: m.Name == l.generations.LastLook(), KnownBad: m.bad != ""}
	switch {
	case found.Looked:
		l.announcer.Warnings.Set(announce.WatchWarning, "")
	case !found.Roll():
		l.log.Warn("not rolled to the new bytes: relevo reload "+l.opts.App.Name+" --force tries them again", "reason", m.bad)
	default:
		cause := "the bytes of " + m.Path + " changed"
		if m.Name != m.SHA256 {
			cause = m.Path + " changed, or the directory that it lies in"
		}
		l.want(rollWanted{cause: cause, changed: true})
	}
}

// beginRequest begins a roll for which no caller waits. It does not wait for the end of the roll,
// so that a newer roll can supersede it.
func (l *loop) beginRequest(number int, r rollWanted) requestBegun {
	l.log.Info("roll asked for", "cause", r.cause)
	l.running().Note(pool.Event{Kind: pool.KindRoll, Step: pool.StepAsked, Reason: r.cause})
	l.systemd.Reloading("rolling: " + r.cause)
	asked := l.succession.Owed.Reloads()
	begun := requestBegun{number: number, rollWanted: r}
	if r.reload {
		begun.wait, begun.err = l.Reload(plain)
	} else {
		begun.wait, begun.err = l.rollAgain(r.changed, r.cron)
	}
	if handedOver(begun.err) {
		return begun
	}
	if r.reload { // one reload also answers SIGHUPs whose own requests were dropped
		l.succession.Owed.ReloadsDone(asked)
	}
	if begun.err != nil {
		l.rollSettled(pool.RollResult{}, begun.err)
	}
	return begun
}

func (l *loop) requestBegun(m requestBegun) {
	switch {
	case handedOver(m.err): // after a thaw; otherwise the next master is told
		l.afterThaw(func() { l.box.post(m.rollWanted) })
	case m.err == nil:
		l.outside.Go(func() { l.rollSettled(m.wait(l.over)) })
	}
	l.step(decide.RequestBegun{Number: m.number})
}

// poolAsked has the pool do what the request says, if the stage allows it.
func (l *loop) poolAsked(m poolAsked) {
	next := l.stage.note(noted{event: m.event})
	if next != decide.AskPool {
		m.answer <- next
		return
	}
	l.outside.Go(func() {
		m.do()
		m.answer <- next
	})
}
