package monit

import (
	"fmt"

	"relevo/internal/machineview"
	"relevo/pool/machine"
)

// Widths of the columns of the workers; the note has the rest.
const (
	slotColumn    = 4
	workerState   = 8
	upColumn      = 6
	connColumn    = 4
	workerColumns = 2 + slotColumn + 1 + slotColumn + 1 + workerState + 1 + upColumn + 1 + percentWidth + 1 +
		memoryWidth + 1 + connColumn + 1
)

// tableLines are the workers by slot; while an app rolls, a slot has one of each generation.
func (m Model) tableLines(a machineview.App, at area) []string {
	if at.h <= 0 {
		return nil
	}
	note := at.w - workerColumns
	lines := []string{m.theme.dim.Render("  " + right("SLOT", slotColumn) + " " + right("GEN", slotColumn) + " " +
		cell("STATE", workerState) + " " + right("UP", upColumn) + " " + right("CPU", percentWidth) + " " +
		right("MEM", memoryWidth) + " " + right("CONN", connColumn) + " " + cell("NOTE", note))}
	height := at.h - 1
	first := window(len(a.Workers), m.slot, height)
	for i := first; i < min(first+height, len(a.Workers)); i++ {
		lines = append(lines, m.workerRow(a, i, note))
	}
	return lines
}

func (m Model) workerRow(a machineview.App, i, width int) string {
	w := a.Workers[i]
	begin := right(fmt.Sprint(w.Slot), slotColumn) + " " + right(fmt.Sprint(w.Generation), slotColumn) + " "
	state := cell(w.State, workerState)
	rest := " " + right(since(w.Started, m.frame.At), upColumn) + " " + right(percent(w.CPU), percentWidth) + " " +
		right(memory(w.Memory), memoryWidth) + " " + right(number(w.Connections), connColumn) + " "
	note := cell(m.note(a, w, width), width)
	if i == m.slot && m.inside {
		return m.theme.chosen.Render("▸ " + begin + state + rest + note)
	}
	return "  " + begin + m.stateStyle(w.State).Render(state) + rest + note
}

// note is the most useful thing to know about a worker beyond the columns.
func (m Model) note(a machineview.App, w machineview.Worker, width int) string {
	canary := a.Status.Canary
	switch {
	case canary != nil && canary.ID == w.ID && w.ID != "":
		return "canary " + lasting(canary.Until.Sub(m.frame.At))
	case w.State == string(machine.Draining), w.State == string(machine.Stopping):
		return m.leaving(w, width)
	case !w.Retry.IsZero():
		text := "retry " + lasting(w.Retry.Sub(m.frame.At))
		if w.LastExit != nil {
			text += ": " + w.LastExit.String()
		}
		return text
	case w.Health != nil && !w.Health.OK:
		return "unhealthy: " + w.Health.Fault
	case w.Text != "":
		return w.Text
	case w.Load != nil:
		return fmt.Sprintf("load %.2f", *w.Load)
	case w.Respawns > 0 && w.LastExit != nil:
		return "last: " + w.LastExit.String()
	}
	return ""
}

// leaving says what a worker that drains has left, and until when relevo waits for it.
func (m Model) leaving(w machineview.Worker, width int) string {
	open := w.Open
	if open == 0 && w.Connections != nil {
		open = *w.Connections
	}
	text := fmt.Sprintf("%d open", open)
	if !w.Until.IsZero() {
		left := lasting(w.Until.Sub(m.frame.At))
		if width < len("1000 open, 1m00s left") {
			return text + " " + left
		}
		text += ", " + left + " left"
	}
	if w.Text != "" {
		text += "; " + w.Text
	}
	return text
}

// tableIndex returns the row of the table in a line; -1: there is none.
func (m Model) tableIndex(at area, y int) int {
	a := m.chosen()
	if a == nil || y == at.y {
		return -1
	}
	i := window(len(a.Workers), m.slot, at.h-1) + y - at.y - 1
	if i >= len(a.Workers) {
		return -1
	}
	return i
}
