package monit

import (
	"fmt"
	"strings"

	"relevo/internal/apps"
	"relevo/internal/control"
	"relevo/internal/machineview"
	"relevo/internal/phrase"
	"relevo/pool"
	"relevo/pool/machine"
)

// detailLines are about the chosen app.
func (m Model) detailLines(a areas) []string {
	app := m.chosen()
	if app == nil {
		return nil
	}
	lines := block(m.headLines(*app, a.head.w, headRoom(a.details.h)), a.head.w, a.head.h)
	lines = append(lines, block(m.sparkRows(*app, a.sparks.w), a.sparks.w, a.sparks.h)...)
	lines = append(lines, block(m.tableLines(*app, a.table), a.table.w, a.table.h)...)
	return append(lines, block(m.logLines(a.log), a.log.w, a.log.h)...)
}

// headLines say how the app is, the gravest first, in so many lines at most.
func (m Model) headLines(a machineview.App, width, room int) []string {
	state := m.stateStyle(string(a.State)).Render(string(a.State))
	first := m.theme.strong.Render(clip(a.Name, width/2)) + "  " + state
	s := a.Status
	if s == nil {
		return []string{first, m.silence(a, width)}
	}
	first += "  " + clip(generations(*s), width)
	if !s.Started.IsZero() {
		first += "  up " + since(s.Started, m.frame.At)
	}
	first += fmt.Sprintf("  pid %d", s.PID)
	lines := []string{first, clip(releases(*s)+"  "+addresses(*s), width)}
	if !s.Asleep.IsZero() {
		lines = append(lines, "asleep for "+since(s.Asleep, m.frame.At)+": the next client wakes a worker")
	}
	if s.Canary != nil {
		lines = append(lines, m.theme.warn.Render(clip(m.canaryText(*s.Canary), width)))
	}
	warnings := min(len(s.Warnings), 1) // one at least has room
	lines = append(lines, m.lastRoll(s.LastRoll, s.Rolling != nil, width, room-len(lines)-warnings)...)
	for _, warning := range s.Warnings {
		lines = append(lines, m.theme.warn.Render(clip(warning, width)))
	}
	return lines[:min(len(lines), room)]
}

// silence says why there are no workers.
func (m Model) silence(a machineview.App, width int) string {
	text := "no master runs; relevo start " + a.Name + " starts one"
	switch {
	case a.State == apps.Silent:
		text = "its master does not answer: it is stopped or stuck"
	case a.Definition == nil:
		text = "its master has ended; relevo start does not know the app"
	case a.Definition.Failure != "":
		text = a.Definition.Failure
	}
	return m.theme.bad.Render(clip(text, width))
}

func generations(s control.Status) string {
	for _, w := range s.Workers {
		if s.Rolling != nil && w.Generation > s.Generation {
			return fmt.Sprintf("generation %d → %d", s.Generation, w.Generation)
		}
	}
	return fmt.Sprintf("generation %d", s.Generation)
}

func releases(s control.Status) string {
	text := "release " + releaseText(s.Release)
	if s.Rolling != nil && (s.Release == nil || s.Rolling.SHA256 != s.Release.SHA256) {
		text += " → " + releaseText(s.Rolling)
	}
	return text
}

func releaseText(r *pool.Info) string {
	if r == nil || r.SHA256 == "" {
		return "-"
	}
	return strings.TrimSpace(phrase.Hash(r.SHA256) + " " + r.Version)
}

func addresses(s control.Status) string {
	var all []string
	for _, l := range s.Listeners {
		all = append(all, l.Address)
	}
	return strings.Join(all, " ")
}

func (m Model) canaryText(c pool.Canary) string {
	text := fmt.Sprintf("canary: worker %s in slot %d, %s left", c.ID, c.Slot, lasting(c.Until.Sub(m.frame.At)))
	if c.Share != "" {
		text += ", " + c.Share + " of new connections"
	}
	if c.Hint != "" {
		text += "; " + c.Hint
	}
	return text
}

// lastRoll is about a roll that failed, with the last lines of the worker that did.
func (m Model) lastRoll(r *pool.RollResult, rolling bool, width, room int) (lines []string) {
	if r == nil || r.Result == machine.OK || rolling {
		return nil
	}
	ago := since(r.Ended, m.frame.At)
	text := fmt.Sprintf("roll to generation %d %s %s ago: %s", r.Generation, r.Result, ago, r.Reason)
	lines = append(lines, m.theme.bad.Render(clip(text, width)))
	if r.Hint != "" && room > 2 {
		lines = append(lines, m.theme.warn.Render(clip(r.Hint, width)))
	}
	for _, line := range r.Tail[max(0, len(r.Tail)-max(0, room-len(lines))):] {
		lines = append(lines, m.theme.dim.Render("  │ ")+clip(line, width-4))
	}
	return lines
}
