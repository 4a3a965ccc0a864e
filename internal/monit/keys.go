package monit

import (
	tea "charm.land/bubbletea/v2"
)

// pressed acts on a key.
func (m Model) pressed(key tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	name := key.String()
	switch {
	case name == "ctrl+c":
		return m, tea.Quit
	case name == "ctrl+z":
		return m, m.stopped()
	case m.typing:
		return m.typed(name, key.Text)
	case m.question != nil:
		return m.answered(name)
	case m.help:
		m.help = false
		return m, nil
	}
	if !m.asking {
		m.message, m.wrong = "", false
	}
	m.quiet = 0
	switch name {
	case "q":
		return m, tea.Quit
	case "r", "R", "+", "=", "-", "d":
		return m.wants(name)
	case "up", "k", "down", "j", "pgup", "pgdown", "home", "end", "tab", "shift+tab", "enter", "right", "left":
		return m.moved(name)
	case "l", "e":
		m.pane, m.frozen, m.back = logPane, false, 0
		if name == "e" {
			m.pane = eventPane
		}
	case "f":
		m = m.freeze(!m.frozen)
	case "s":
		m.sort = (m.sort + 1) % sortings
	case "/":
		m.typing = true
	case "?":
		m.help = true
	case "esc":
		m.filter, m.inside = "", false
		m.settle()
	}
	return m, nil
}

// stopped gives the terminal to the shell, as Ctrl-Z does elsewhere.
func (m Model) stopped() tea.Cmd {
	return func() tea.Msg {
		if m.suspend != nil {
			m.suspend()
		}
		return tea.FocusMsg{}
	}
}

// typed changes the filter.
func (m Model) typed(name, text string) (tea.Model, tea.Cmd) {
	switch name {
	case "enter":
		m.typing = false
	case "esc":
		m.typing, m.filter = false, ""
	case "backspace":
		if runes := []rune(m.filter); len(runes) > 0 {
			m.filter = string(runes[:len(runes)-1])
		}
	default:
		m.filter += text
	}
	if list := m.shown(); m.index(list) < 0 && len(list) > 0 {
		return m.choose(list[0].Name)
	}
	return m, nil
}

// moved moves through the apps or the slots.
func (m Model) moved(name string) (tea.Model, tea.Cmd) {
	switch name {
	case "tab", "shift+tab":
		m.inside = !m.inside
		return m, nil
	case "enter", "right":
		m.inside = true
		return m, nil
	case "left":
		m.inside = false
		return m, nil
	}
	by := map[string]int{"up": -1, "k": -1, "down": 1, "j": 1, "pgup": -10, "pgdown": 10, "home": -1 << 20,
		"end": 1 << 20}[name]
	if m.inside {
		return m.moveSlot(by), nil
	}
	return m.moveApp(by)
}

func (m Model) moveSlot(by int) Model {
	m.slot += by
	m.settle()
	return m
}

func (m Model) moveApp(by int) (tea.Model, tea.Cmd) {
	list := m.shown()
	if len(list) == 0 {
		return m, nil
	}
	return m.choose(list[max(0, min(m.index(list)+by, len(list)-1))].Name)
}

// choose shows another app.
func (m Model) choose(name string) (tea.Model, tea.Cmd) {
	if name == m.app {
		return m, nil
	}
	m.app, m.slot, m.frozen, m.back = name, 0, false, 0
	m.settle()
	return m.lookNow()
}
