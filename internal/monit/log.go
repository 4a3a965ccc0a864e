package monit

import (
	"fmt"
	"slices"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// lines are those of the pane that is shown, and why there are none.
func (m Model) lines() (lines []Line, why string) {
	if m.frozen {
		return m.held, ""
	}
	if m.frame.App != m.app {
		return nil, "…"
	}
	if m.pane == eventPane {
		return m.frame.Events, m.frame.EventsNote
	}
	return m.frame.Log, m.frame.LogNote
}

// logLines are the newest lines that fit, below a header.
func (m Model) logLines(at area) []string {
	if at.h <= 0 {
		return nil
	}
	lines, why := m.lines()
	out := []string{m.logTitle(at.w)}
	if len(lines) == 0 {
		if why == "" {
			why = "nothing yet"
		}
		return append(out, m.theme.dim.Render("  "+clip(why, at.w-2)))
	}
	height := at.h - 1
	end := max(min(height, len(lines)), len(lines)-m.back)
	for _, l := range lines[max(0, end-height):end] {
		out = append(out, m.logLine(l, at.w))
	}
	return out
}

func (m Model) logTitle(width int) string {
	log, events := m.theme.strong, m.theme.dim
	if m.pane == eventPane {
		log, events = events, log
	}
	how := "follows"
	if m.frozen {
		how = "frozen, f follows"
	}
	marks := [2]string{"▾ log", "  events"}
	if m.pane == eventPane {
		marks = [2]string{"  log", "▾ events"}
	}
	left := log.Render(marks[0]) + "  " + events.Render(marks[1])
	return left + m.theme.dim.Render(right(how, width-ansi.StringWidth(left)))
}

func (m Model) logLine(l Line, width int) string {
	who := "  - "
	if l.Slot >= 0 {
		who = fmt.Sprintf("%3d ", l.Slot)
	}
	at := "         "
	if !l.Time.IsZero() {
		at = l.Time.In(m.zone).Format("15:04:05 ")
	}
	text := clip(l.Text, width-len(at)-len(who))
	if l.Bad {
		text = m.theme.bad.Render(text)
	}
	return m.theme.dim.Render(at+who) + text
}

// freeze keeps what is shown, or follows again.
func (m Model) freeze(on bool) Model {
	if on && !m.frozen {
		lines, _ := m.lines()
		m.held = slices.Clone(lines)
	}
	if !on {
		m.held = nil
	}
	m.frozen, m.back = on, 0
	return m
}

// clicked chooses what the mouse points at.
func (m Model) clicked(msg tea.MouseClickMsg) (tea.Model, tea.Cmd) {
	if msg.Button != tea.MouseLeft || !m.pointable() {
		return m, nil
	}
	a := m.areas()
	switch {
	case a.list.holds(msg.X, msg.Y):
		if i := m.listIndex(a.list, msg.Y); i >= 0 {
			m.inside = false
			return m.choose(m.shown()[i].Name)
		}
	case a.table.holds(msg.X, msg.Y):
		if i := m.tableIndex(a.table, msg.Y); i >= 0 {
			m.inside, m.slot = true, i
		}
	}
	return m, nil
}

// wheeled scrolls what is under the mouse.
func (m Model) wheeled(msg tea.MouseWheelMsg) (tea.Model, tea.Cmd) {
	by := 1
	switch {
	case !m.pointable():
		return m, nil
	case msg.Button == tea.MouseWheelUp:
		by = -1
	case msg.Button != tea.MouseWheelDown:
		return m, nil
	}
	a := m.areas()
	switch {
	case a.list.holds(msg.X, msg.Y):
		return m.moveApp(by)
	case a.table.holds(msg.X, msg.Y):
		return m.moveSlot(by), nil
	case a.log.holds(msg.X, msg.Y):
		return m.scrolled(-3*by, a.log.h-1), nil
	}
	return m, nil
}

// pointable says whether the screen shows what the mouse can point at.
func (m Model) pointable() bool {
	return m.looked && !m.help && m.question == nil && m.width >= minWidth && m.height >= minHeight
}

// scrolled scrolls the log back, which freezes it; at its end it follows again.
func (m Model) scrolled(back, height int) Model {
	if !m.frozen && back <= 0 {
		return m
	}
	if !m.frozen {
		m = m.freeze(true)
	}
	m.back = min(m.back+back, max(0, len(m.held)-height))
	if m.back <= 0 && back < 0 {
		return m.freeze(false)
	}
	m.back = max(0, m.back)
	return m
}
