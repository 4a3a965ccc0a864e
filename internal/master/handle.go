package master

import (
	"fmt"

	"relevo/internal/decide"
	"relevo/internal/hangup"
)

// run handles messages and signals until end.
func (l *loop) run() {
	defer close(l.box.done)
	defer l.setOver()
	defer l.stage.letGo()
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

// handle passes a message to the handler of its subject.
func (l *loop) handle(m message) {
	if !l.handleWork(m) && !l.handleRoll(m) && !l.handleSignal(m) && !l.handleStage(m) {
		panic(fmt.Sprintf("internal error: master: unknown message %T", m))
	}
}

// handleWork handles messages about the agenda's work and waits.
func (l *loop) handleWork(m message) (known bool) {
	switch m := m.(type) {
	case workAsked:
		l.step(decide.WorkAsked{Number: note(l, l.asked, m)})
	case prepared:
		l.prepared(m)
	case workDone:
		l.workDone(m)
	case waitAsked:
		l.step(decide.WaitAsked{Number: note(l, l.waits, m)})
	case looked:
		l.step(decide.Looked{})
	case timerRang:
		l.step(decide.TimerRang{Number: m.number})
	case begins:
		l.step(decide.Begins{Now: true})
	case over:
		l.poolEnded()
	default:
		return false
	}
	return true
}

// handleRoll handles messages about ended rolls and requested ones.
func (l *loop) handleRoll(m message) (known bool) {
	switch m := m.(type) {
	case rollEnded:
		l.step(decide.RollEnded{Number: note(l, l.ended, m)})
	case concluded:
		l.concluded(m)
	case rollWanted:
		l.want(m)
	case requestBegun:
		l.requestBegun(m)
	case bytesChanged:
		l.bytesChanged(m)
	case refused:
		l.refused(m.why)
	default:
		return false
	}
	return true
}

// handleSignal handles messages that follow from signals.
func (l *loop) handleSignal(m message) (known bool) {
	switch m := m.(type) {
	case hungUp:
		if l.hears {
			l.hungUp(m.meaning)
		}
	case dealt:
		l.dealt(m)
	case hears:
		l.hear(m)
	default:
		return false
	}
	return true
}

// handleStage handles messages about the stage, and requests that need the pool.
func (l *loop) handleStage(m message) (known bool) {
	switch m := m.(type) {
	case noted:
		m.answer <- l.stage.note(m)
	case subscribed:
		l.stage.subscribed(m)
	case poolAsked:
		l.poolAsked(m)
	default:
		return false
	}
	return true
}

func (l *loop) concluded(m concluded) {
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
}

// poolEnded handles the end of the pool: from now on no request is begun.
func (l *loop) poolEnded() {
	l.setOver()
	l.step(decide.Begins{})
	l.step(decide.Over{})
}
