package monit

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"relevo/internal/phrase"
)

// View is the screen.
func (m Model) View() tea.View {
	v := tea.NewView(strings.Join(m.screen(), "\n"))
	v.AltScreen, v.ReportFocus, v.MouseMode = true, true, tea.MouseModeCellMotion
	v.WindowTitle = "relevo monit"
	return v
}

// screen is the lines of the screen, each as wide as that.
func (m Model) screen() []string {
	if m.width < minWidth || m.height < minHeight {
		return block([]string{fmt.Sprintf("relevo monit needs %d columns and %d lines;", minWidth, minHeight),
			fmt.Sprintf("here are %d and %d. q ends it.", m.width, m.height)}, m.width, m.height)
	}
	lines := []string{m.title()}
	body := m.height - 2
	switch {
	case m.help:
		lines = append(lines, block(m.helpLines(), m.width, body)...)
	case !m.looked:
		lines = append(lines, block([]string{"", "  asking the masters …"}, m.width, body)...)
	default:
		lines = append(lines, m.body()...)
	}
	return append(lines, m.bottom())
}

func (m Model) body() []string {
	a := m.areas()
	list := block(m.listLines(a.list), a.list.w, a.list.h)
	details := block(m.detailLines(a), a.details.w, a.details.h)
	if m.width < wide {
		lines := append(list, m.theme.dim.Render(strings.Repeat("─", m.width)))
		return append(lines, details...)
	}
	for i := range list {
		list[i] += m.theme.dim.Render(" │ ") + details[i]
	}
	return list
}

// title is the first line.
func (m Model) title() string {
	left := fmt.Sprintf("relevo monit · %s · sorted by %s", phrase.Count(len(m.frame.Apps), "app"), m.sort)
	if m.filter != "" {
		left += fmt.Sprintf(" · %d with %q", len(m.shown()), m.filter)
	}
	clock := ""
	if m.looked {
		clock = m.frame.At.In(m.zone).Format("15:04:05")
	}
	return m.theme.strong.Render(cell(left, m.width-len(clock)-1) + " " + clock)
}

// bottom is the last line: a question, what is typed, the answer to a request, or the keys.
func (m Model) bottom() string {
	switch {
	case m.question != nil:
		return m.theme.warn.Render(cell(m.questionText(), m.width))
	case m.typing:
		return m.theme.accent.Render(cell("name has: "+m.filter+"█   Enter keeps it, Esc shows all", m.width))
	case m.message != "" && m.wrong:
		return m.theme.bad.Render(cell(m.message, m.width))
	case m.message != "":
		return m.theme.good.Render(cell(m.message, m.width))
	case m.failed != nil:
		return m.theme.bad.Render(cell(m.failed.Error(), m.width))
	}
	const keys = "q quit · ? help · r roll · R back · + - scale · d replace · Tab slots · l log · e events · f freeze" +
		" · / filter · s sort"
	return m.theme.dim.Render(cell(keys, m.width))
}

// helpLines are shown instead of the body.
func (m Model) helpLines() []string {
	keys := [][2]string{
		{"up down j k", "choose an app or a slot; also Home, End"},
		{"Tab", "move between apps and slots"},
		{"r", "roll: replace all workers, one by one"},
		{"R", "roll back to the last good release"},
		{"+ -", "one worker more, one less"},
		{"d", "replace the worker of the chosen slot"},
		{"l e", "show the log, or the events"},
		{"f", "freeze what is shown, or follow again"},
		{"s", "sort by name, CPU, memory, state"},
		{"/", "filter by name; Esc shows all"},
		{"q Ctrl-C", "quit; apps run on"},
		{"Ctrl-Z", "stop monit, fg resumes"},
		{"mouse", "click chooses, the wheel scrolls"},
	}
	lines := []string{"", m.theme.strong.Render("  Keys"), ""}
	for _, k := range keys {
		lines = append(lines, "  "+m.theme.accent.Render(cell(k[0], 12))+" "+clip(k[1], m.width-16))
	}
	return append(lines, "", "  any key goes back")
}
