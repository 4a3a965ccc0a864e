package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"relevo/internal/testreq"
)

// tmuxPane is a shell in a terminal that tmux shows.
type tmuxPane struct {
	s      *site
	tmux   string
	socket string
}

// newPane starts a shell in the site's directory, on a terminal of 100 columns and 30 lines.
func newPane(s *site) *tmuxPane {
	s.t.Helper()
	p := &tmuxPane{s: s, tmux: testreq.Program(s.t, "tmux"), socket: filepath.Join(s.dir, "tmux")}
	p.run("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", "env", "PS1=$ ", "sh")
	s.t.Cleanup(func() { p.run("kill-server") })
	return p
}

func (p *tmuxPane) run(args ...string) string {
	p.s.t.Helper()
	cmd := exec.Command(p.tmux, append([]string{"-S", p.socket}, args...)...)
	cmd.Dir, cmd.Env = p.s.dir, append(p.s.env, "TMUX=", "SHELL=/bin/sh", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.s.t.Fatalf("tmux %v: %v: %s", args, err, out)
	}
	return string(out)
}

func (p *tmuxPane) screen() string {
	p.s.t.Helper()
	return p.run("capture-pane", "-p")
}

// shows waits until the screen matches an expression.
func (p *tmuxPane) shows(expression string) {
	p.s.t.Helper()
	wanted := regexp.MustCompile(expression)
	if !await(func() bool { return wanted.MatchString(p.screen()) }) {
		p.s.t.Fatalf("waited in vain for %q; the screen is\n%s", expression, p.screen())
	}
}

// types sends keys by their names.
func (p *tmuxPane) types(keys ...string) {
	p.s.t.Helper()
	p.run(append([]string{"send-keys"}, keys...)...)
}

// TestMonit: in a real terminal monit shows the workers, acts on them, and restores the terminal.
func TestMonit(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "2", "--canary", "0s", "--watch-binary=false")
	s.settled(2)
	p := newPane(s)
	p.types("./relevo monit none; echo code $?", "Enter")
	p.shows(`cannot reach "none": not running.*\n?.*(?s:.*)code 3`)
	p.types("clear; TERM=dumb ./relevo monit; echo code $?", "Enter")
	p.shows(`TERM is dumb(?s:.*)code 2`)
	p.types("clear; stty -g >before; ./relevo monit site; stty -g >after; echo ended", "Enter")
	rows := func(n int) { p.shows(`(?s)` + strings.Repeat(` \d+ +\d+ serving .*?`, n) + `▾ log`) }
	rows(2)
	p.types("+", "y")
	rows(3)
	p.shows(`site: from 2 to 3 workers`)
	p.types("e", "r")
	p.shows(`roll site: replace 3 workers\? y/n`)
	p.types("y")
	p.shows(`site: generation 2 serves, 3 workers replaced`)
	p.shows(`roll done · gen 2`)
	p.shows(`SLOT.*\n.* 0 +2 serving.*\n.* 1 +2 serving.*\n.* 2 +2 serving.*\n.*▾ events`) // the old workers have gone
	p.types("Tab", "Down")
	p.shows(`▸ +1 +2 serving`)
	p.types("d")
	p.shows(`replace the worker of slot 1 of site\? y/n`)
	p.types("y")
	p.shows(`site: a new worker replaces worker 5 in slot 1`)
	s.await("another worker in slot 1", func() bool {
		return s.status().Counts.Starts["request"] == 1 && len(s.settled(3)) == 3
	})
	p.run("resize-window", "-x", "60", "-y", "20")
	p.shows(`(?s)────.*SLOT.*serving.*▾ events`)
	p.types("q")
	p.shows(`(?m)^ended$`)
	if flags := p.run("display-message", "-p", "#{alternate_on}#{mouse_any_flag}#{cursor_flag}"); flags != "001\n" {
		t.Errorf("afterwards alternate screen, mouse and cursor are %s", flags)
	}
	before, errBefore := os.ReadFile(filepath.Join(s.dir, "before"))
	after, errAfter := os.ReadFile(filepath.Join(s.dir, "after"))
	if errBefore != nil || errAfter != nil || len(before) == 0 || string(before) != string(after) {
		t.Errorf("the terminal was %s (%v), and is %s (%v)", before, errBefore, after, errAfter)
	}
}
