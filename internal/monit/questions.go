package monit

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"relevo/internal/phrase"
	"relevo/pool/machine"
)

// wants begins the request of a key: those that take something away ask first.
func (m Model) wants(key string) (tea.Model, tea.Cmd) {
	a := m.chosen()
	switch {
	case m.asking:
		return m, nil
	case a == nil:
		return m, nil
	case a.Status == nil:
		m.message, m.wrong = fmt.Sprintf("cannot ask %s: no master answers; relevo start %[1]s starts it", a.Name), true
		return m, nil
	}
	r := Request{App: a.Name}
	switch key {
	case "+", "=":
		r.Action = More
		return m.ask(r)
	case "r":
		r.Action = Roll
	case "R":
		r.Action = Rollback
	case "-":
		r.Action = Fewer
	case "d":
		if !m.inside || len(a.Workers) == 0 {
			m.message, m.wrong = "choose the slot first: Tab, then up and down", true
			return m, nil
		}
		w := a.Workers[m.slot]
		if w.State != string(machine.Serving) {
			m.message, m.wrong = fmt.Sprintf("cannot replace the worker of slot %d: it is %s", w.Slot, w.State), true
			return m, nil
		}
		r.Action, r.Slot = Replace, w.Slot
	}
	m.question = &r
	return m, nil
}

// answered acts on the answer to a question.
func (m Model) answered(key string) (tea.Model, tea.Cmd) {
	r := *m.question
	switch key {
	case "y", "Y":
		return m.ask(r)
	case "n", "N", "esc", "q":
		m.question = nil
	}
	return m, nil
}

// questionText asks for the answer.
func (m Model) questionText() string {
	r := *m.question
	slots := 0
	if a := m.frame.Find(r.App); a != nil && a.Status != nil {
		slots = a.Status.Slots
	}
	switch r.Action {
	case Rollback:
		return fmt.Sprintf("roll %s back to the last good release? y/n", r.App)
	case Fewer:
		return fmt.Sprintf("take a worker of %s away, so that %d are left? y/n", r.App, max(slots-1, 0))
	case Replace:
		return fmt.Sprintf("replace the worker of slot %d of %s? y/n", r.Slot, r.App)
	}
	return fmt.Sprintf("roll %s: replace %s? y/n", r.App, phrase.Count(slots, "worker"))
}

// doing is shown until the answer comes.
func (r Request) doing() string {
	switch r.Action {
	case Roll:
		return fmt.Sprintf("%s rolls …", r.App)
	case Rollback:
		return fmt.Sprintf("%s rolls back …", r.App)
	case More:
		return fmt.Sprintf("%s gets another worker …", r.App)
	case Fewer:
		return fmt.Sprintf("%s gives a worker up …", r.App)
	}
	return fmt.Sprintf("%s gets another worker in slot %d …", r.App, r.Slot)
}
