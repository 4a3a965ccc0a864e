package monit

import (
	"fmt"

	"charm.land/lipgloss/v2"

	"relevo/internal/apps"
	"relevo/internal/machineview"
)

// Widths of the list's columns; the name gets the rest.
const (
	stateWidth   = 9
	readyWidth   = 5
	percentWidth = 5
	memoryWidth  = 7
	listFixed    = 2 + stateWidth + readyWidth + percentWidth + memoryWidth + 4
)

// listLines returns the header and as many apps as fit; the chosen app is always among them.
func (m Model) listLines(a area) []string {
	name := a.w - listFixed
	lines := []string{m.theme.dim.Render("  " + cell("NAME", name) + " " + cell("STATE", stateWidth) + " " +
		right("READY", readyWidth) + " " + right("CPU", percentWidth) + " " + right("MEM", memoryWidth))}
	list := m.shown()
	if len(list) == 0 {
		return append(lines, "  "+m.nothing())
	}
	height := a.h - 1
	chosen := m.index(list)
	first := window(len(list), max(0, chosen), height)
	for i := first; i < min(first+height, len(list)); i++ {
		lines = append(lines, m.listRow(list[i], i == chosen, name))
	}
	return lines
}

func (m Model) nothing() string {
	if len(m.frame.Apps) > 0 {
		return "no name contains this text"
	}
	return "no apps; relevo start app.js starts one"
}

func (m Model) listRow(a machineview.App, chosen bool, width int) string {
	ready := "-"
	if a.Status != nil {
		ready = fmt.Sprintf("%d/%d", a.Ready(), a.Status.Slots)
	}
	state := string(a.State)
	if a.State == apps.Silent {
		state = "no answer"
	}
	rest := right(ready, readyWidth) + " " + right(percent(a.CPU), percentWidth) + " " +
		right(memory(a.Usage.Memory), memoryWidth)
	if chosen {
		row := "▸ " + cell(a.Name, width) + " " + cell(state, stateWidth) + " " + rest
		return m.chosenStyle(!m.inside).Render(row)
	}
	return "  " + cell(a.Name, width) + " " + m.stateStyle(state).Render(cell(state, stateWidth)) + " " + rest
}

// chosenStyle is the style of the chosen row. active says that keys act on this list.
func (m Model) chosenStyle(active bool) lipgloss.Style {
	if active {
		return m.theme.chosen
	}
	return m.theme.marked
}

// stateStyle is the color of a state of an app or a worker.
func (m Model) stateStyle(state string) lipgloss.Style {
	switch state {
	case "running", "serving":
		return m.theme.good
	case "failed", "no answer", string(apps.Silent), "backoff", "killing":
		return m.theme.bad
	case "stopped", "empty", "asleep":
		return m.theme.dim
	}
	return m.theme.warn
}

// listIndex returns the index of the app in a line of the list; -1: there is none.
func (m Model) listIndex(a area, y int) int {
	list := m.shown()
	i := window(len(list), max(0, m.index(list)), a.h-1) + y - a.y - 1
	if y == a.y || i >= len(list) {
		return -1
	}
	return i
}
