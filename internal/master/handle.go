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
		l.want(m)
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
	case noted:
		m.answer <- l.stage.note(m)
	case subscribed:
		l.stage.subscribed(m)
	case poolAsked:
		l.poolAsked(m)
	case over:
		l.setOver()
		l.step(decide.Begins{})
		l.step(decide.Over{})
	default:
		panic(fmt.Sprintf("internal error: master: unknown message %T", m))
	}
}
