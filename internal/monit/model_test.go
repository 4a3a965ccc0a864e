package monit

import (
	"errors"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"relevo/internal/machineview"
)

// bottomOf is the last line of the screen.
func bottomOf(m Model) string {
	lines := m.screen()
	return strings.TrimSpace(ansi.Strip(lines[len(lines)-1]))
}

// TestRequests: what each key asks, after which question, and what is shown of the answer.
func TestRequests(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keys     string
		question string
		want     []Request
	}{
		{"r y", "roll web: replace 4 workers? y/n", []Request{{Roll, "web", 0}}},
		{"r n", "", nil},
		{"r esc", "", nil},
		{"r x", "roll web: replace 4 workers? y/n", nil},
		{"R y", "roll web back to the last good release? y/n", []Request{{Rollback, "web", 0}}},
		{"- y", "take a worker of web away, so that 3 are left? y/n", []Request{{Fewer, "web", 0}}},
		{"+", "", []Request{{More, "web", 0}}},
		{"=", "", []Request{{More, "web", 0}}},
		{"+ y", "", []Request{{More, "web", 0}}},
		{"tab down down d y", "replace the worker of slot 2 of web? y/n", []Request{{Replace, "web", 2}}},
		{"tab down d n", "", nil},
		{"d y", "", nil},
		{"? r y", "", nil},
	} {
		s := &fixed{frame: running(), answer: "web: done"}
		m := at(100, 30, s, "web")
		asked := ""
		for key := range strings.FieldsSeq(c.keys) {
			if m = press(m, key); m.question != nil {
				asked = bottomOf(m)
			}
		}
		if len(s.asked) != len(c.want) || len(c.want) > 0 && s.asked[0] != c.want[0] {
			t.Errorf("%q asks %v, want %v", c.keys, s.asked, c.want)
		}
		if c.question != "" && asked != c.question {
			t.Errorf("%q shows %q, want %q", c.keys, asked, c.question)
		}
		if len(c.want) > 0 && c.keys != "+ y" && bottomOf(m) != "web: done" {
			t.Errorf("%q ends with %q", c.keys, bottomOf(m))
		}
	}
}

// TestRefusals: what cannot be asked, and what a master refuses, is said at the bottom.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for keys, want := range map[string]string{
		"home r":     "cannot ask api: no master answers; relevo start api starts it",
		"d":          "choose the slot first: Tab, then up and down",
		"tab d":      "cannot replace the worker of slot 0: it is draining",
		"tab down +": "cannot scale: the pool is stopping",
	} {
		s := &fixed{frame: draining()}
		m := at(100, 30, s, "web")
		s.fails = errors.New("cannot scale: the pool is stopping\nmore lines")
		for key := range strings.FieldsSeq(keys) {
			m = press(m, key)
		}
		if got := bottomOf(m); got != want {
			t.Errorf("%q ends with %q, want %q", keys, got, want)
		}
	}
}

// TestChoice: keys and the mouse move through apps and slots.
func TestChoice(t *testing.T) {
	t.Parallel()
	s := &fixed{frame: many()}
	m := at(100, 30, s, "app150")
	for _, c := range []struct{ keys, app string }{
		{"down", "app151"}, {"k k", "app149"}, {"j", "app150"}, {"end", "app299"}, {"down", "app299"},
		{"home", "app000"}, {"up", "app000"}, {"pgdown", "app010"}, {"/ 2 7 enter", "app027"}, {"end", "app279"},
		{"esc", "app279"}, {"s", "app279"}, {"s s s", "app279"},
		{"/ z z", "app279"}, {"backspace backspace enter", "app279"},
	} {
		for key := range strings.FieldsSeq(c.keys) {
			m = press(m, key)
		}
		if m.app != c.app || m.frame.App != c.app {
			t.Fatalf("after %q %s is chosen, and %s is shown; want %s", c.keys, m.app, m.frame.App, c.app)
		}
	}
	m = at(100, 30, &fixed{frame: draining()}, "api")
	m = send(m, tea.MouseClickMsg{X: 5, Y: 4, Button: tea.MouseLeft})
	if m.app != "web" || m.inside {
		t.Fatalf("a click on web chooses %q", m.app)
	}
	table := m.areas().table
	m = send(m, tea.MouseClickMsg{X: table.x + 3, Y: table.y + 2, Button: tea.MouseLeft})
	if !m.inside || m.slot != 1 {
		t.Fatalf("a click on the second row chooses row %d", m.slot)
	}
	m = send(m, tea.MouseWheelMsg{X: table.x, Y: table.y + 1, Button: tea.MouseWheelDown})
	if m.slot != 2 {
		t.Fatalf("the wheel chooses row %d", m.slot)
	}
	m = send(m, tea.MouseWheelMsg{X: 1, Y: 3, Button: tea.MouseWheelUp})
	if m.app != "jobs" {
		t.Fatalf("the wheel over the list chooses %q", m.app)
	}
}

// TestFreeze: a frozen log stays as it is; the wheel freezes it, and follows again at its end.
func TestFreeze(t *testing.T) {
	t.Parallel()
	s := &fixed{frame: running()}
	m := at(100, 30, s, "web", "f")
	shown := func() string { return ansi.Strip(strings.Join(m.screen(), "\n")) }
	s.frame.Log = append(s.frame.Log, Line{Time: noon, Slot: 1, Text: "the newest"})
	m = settled(lookAgain(m))
	if strings.Contains(shown(), "the newest") || !strings.Contains(shown(), "frozen") {
		t.Errorf("frozen, it shows:\n%s", shown())
	}
	if m = press(m, "f"); !strings.Contains(shown(), "the newest") {
		t.Errorf("followed again, it shows:\n%s", shown())
	}
	log := m.areas().log
	m = send(m, tea.MouseWheelMsg{X: log.x, Y: log.y + 1, Button: tea.MouseWheelUp})
	if strings.Contains(shown(), "the newest") || !m.frozen {
		t.Errorf("scrolled back, it shows:\n%s", shown())
	}
	m = send(m, tea.MouseWheelMsg{X: log.x, Y: log.y + 1, Button: tea.MouseWheelDown})
	if !strings.Contains(shown(), "the newest") || m.frozen {
		t.Errorf("at the end again, it shows:\n%s", shown())
	}
}

func lookAgain(m Model) (Model, tea.Cmd) { return m.lookNow() }

// TestVanished: an app whose master goes in mid-roll stays in the list as stopped until another
// one is chosen, and a look that fails changes nothing.
func TestVanished(t *testing.T) {
	t.Parallel()
	s := &fixed{frame: rolling()}
	m := at(100, 30, s, "web")
	s.frame.Apps = s.frame.Apps[:2]
	m = settled(lookAgain(m))
	if a := m.chosen(); a == nil || a.Name != "web" || a.State != "stopped" || a.Status != nil {
		t.Fatalf("after its master has gone, %+v is shown", a)
	}
	if shown := strings.Join(m.screen(), "\n"); strings.Contains(shown, "relevo start web") ||
		!strings.Contains(shown, "its master has ended; relevo start does not know the app") {
		t.Errorf("of an app that relevo start does not remember is said\n%s", shown)
	}
	m = press(m, "up")
	m = settled(lookAgain(m))
	if m.frame.Find("web") != nil || m.app != "jobs" {
		t.Errorf("after another app was chosen, %+v is shown", m.frame.Apps)
	}
	s.fails = errors.New("cannot look for masters: permission denied")
	m = settled(lookAgain(m))
	if got := bottomOf(m); got != s.fails.Error() || len(m.frame.Apps) != 2 {
		t.Errorf("after a look that failed, %q with %d apps", got, len(m.frame.Apps))
	}
}

// TestPause: it looks twice a second, less often where nothing changes or it is not seen.
func TestPause(t *testing.T) {
	t.Parallel()
	s := &fixed{frame: Frame{View: machineview.View{At: noon, Apps: []machineview.App{older().Apps[0]}}}}
	m := at(100, 30, s, "web")
	if m.pause() != LookEvery {
		t.Errorf("at first %s", m.pause())
	}
	for range quietAfter {
		m = settled(lookAgain(m))
	}
	if m.pause() != idleEvery {
		t.Errorf("when nothing changes %s", m.pause())
	}
	if m = press(m, "s"); m.pause() != LookEvery {
		t.Errorf("after a key %s", m.pause())
	}
	if m = send(m, tea.BlurMsg{}); m.pause() != hiddenEvery {
		t.Errorf("without the focus %s", m.pause())
	}
	if m = send(m, tea.FocusMsg{}); m.pause() != LookEvery {
		t.Errorf("with the focus again %s", m.pause())
	}
}

// TestNoEscapes: escape sequences in what masters and workers say do not reach the terminal.
func TestNoEscapes(t *testing.T) {
	t.Parallel()
	const evil = "\x1b]0;title\x07\x1b[2J\x9b31m\u202eevil\r\n\x1b[31mred"
	f := failed()
	web := &f.Apps[2]
	web.Workers[0].Text, web.Workers[1].State = evil, evil
	web.Status.Warnings, web.Status.LastRoll.Tail = []string{evil}, []string{evil}
	web.Status.LastRoll.Reason, web.Status.LastRoll.Hint = evil, evil
	web.Status.Release.Version, web.Status.Listeners[0].Address = evil, evil
	f.Apps[1].Name, f.Apps[1].State = evil, evil
	f.Log = append(f.Log, Line{Time: noon, Text: evil})
	for _, dark := range []bool{true, false} {
		m := at(140, 40, &fixed{frame: f, answer: evil}, "web", "+")
		m.theme = themeFor(dark)
		for _, keys := range []string{"", "e", "/"} {
			if keys != "" {
				m = press(m, keys)
			}
			content := m.View().Content
			for _, line := range strings.Split(content, "\n") {
				for _, part := range strings.Split(line, "\x1b")[1:] {
					end := strings.IndexByte(part, 'm')
					if part[0] != '[' || end < 0 || strings.Trim(part[1:end], "0123456789;") != "" {
						t.Fatalf("the screen has the sequence %q", part[:min(len(part), 20)])
					}
				}
			}
			for _, bad := range []string{"\x9b", "\u202e", "\r", "\x07", "\x1b[31mred", "title"} {
				if strings.Contains(content, bad) {
					t.Fatalf("the screen has %q", bad)
				}
			}
		}
	}
}

// TestQuits: q and Ctrl-C end it, also from a question or while the filter is typed.
func TestQuits(t *testing.T) {
	t.Parallel()
	for _, keys := range []string{"q", "ctrl+c", "r ctrl+c", "/ ctrl+c", "? ctrl+c"} {
		m := at(100, 30, &fixed{frame: running()}, "web")
		var cmd tea.Cmd
		for key := range strings.FieldsSeq(keys) {
			var next tea.Model
			next, cmd = m.Update(keyOf(key))
			m = next.(Model)
		}
		if cmd == nil || cmd() != tea.Quit() {
			t.Errorf("%q does not end it", keys)
		}
	}
}
