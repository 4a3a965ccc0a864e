package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/term"

	"relevo/internal/control"
	"relevo/internal/fleet/plan"
	"relevo/internal/fleet/relevo-fleet/conductor"
	"relevo/internal/fleet/relevo-fleet/store"
)

// follow conducts a deploy if no other process does, and tells of it until it is over.
func (p *program) follow(ctx context.Context, c *store.Client, d store.Deploy, checks bool) error {
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	defer func() {
		cancel()
		beside.Wait()
	}()
	log := slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	beside.Go(func() {
		conductor.Run(ctx, conductor.Options{Client: c, App: d.App, Log: log,
			Who: store.Conductor{By: who(), PID: os.Getpid(), Since: time.Now(), Checks: checks}})
	})
	mirror := c.Follow(ctx)
	beside.Go(mirror.Wait)
	t := teller{out: p.out, quiet: p.asJSON, live: isTerminal(p.out), phases: map[string]store.Phase{}}
	for {
		select {
		case <-mirror.Changed:
		case <-ctx.Done():
			return interrupted(d)
		}
		now := d
		_, lost := mirror.Look(func(v *store.View) {
			now = v.Deploys[d.App]
			t.tell(now, v.Reports[d.App])
		})
		if lost != nil {
			t.line("etcd does not answer; all machines keep serving: %v", lost)
			continue
		}
		if now.Revision() >= d.Revision() && (now.ID != d.ID || now.State.Over()) {
			return p.over(now, d)
		}
	}
}

func interrupted(d store.Deploy) error {
	return fmt.Errorf("cannot wait for the end of deploy %d of %s: interrupted\n  no more turns are given, unless a "+
		"relevo-fleet conduct runs: relevo-fleet follow %s continues it", d.ID, d.App, d.App)
}

// over prints how a deploy has ended. The result is a failure unless it has reached its end.
func (p *program) over(now, d store.Deploy) error {
	if p.asJSON {
		if err := p.printJSON(now); err != nil {
			return err
		}
	}
	switch {
	case now.ID != d.ID:
		return control.WithExit(fmt.Errorf("deploy %d of %s has taken the place of this one", now.ID, now.App),
			control.ExitRollFailed)
	case now.State == plan.Complete, now.State == plan.RolledBack && d.Back:
		return nil
	}
	text := fmt.Sprintf("deploy %d of %s, version %s, is %s", now.ID, now.App, now.Release.Version, now.State)
	if now.Reason != "" {
		text += ": " + now.Reason
	}
	if now.State == plan.Held {
		text += fmt.Sprintf("\n  relevo-fleet resume %s tries again, relevo-fleet rollback %[1]s takes it back", now.App)
	}
	return control.WithExit(fmt.Errorf("%s", text), control.ExitRollFailed)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// teller prints what changes, a line each, and on a terminal a last line that shows how far the stage is.
type teller struct {
	out    io.Writer
	quiet  bool
	live   bool
	stage  string
	state  plan.State
	phases map[string]store.Phase
	shown  bool // the last line is there
}

// line prints a line in the place of the last one.
func (t *teller) line(format string, args ...any) {
	if t.quiet {
		return
	}
	t.clear()
	fmt.Fprintf(t.out, format+"\n", args...)
}

func (t *teller) clear() {
	if t.shown {
		fmt.Fprint(t.out, "\r\x1b[K")
		t.shown = false
	}
}

func (t *teller) tell(d store.Deploy, reports map[string]store.Report) {
	if d.State != t.state {
		t.state = d.State
		t.line("%s: deploy %d, version %s, is %s%s", d.App, d.ID, d.Release.Version, d.State, because(d))
	}
	if d.Open && d.TurnID() != t.stage {
		t.stage = d.TurnID()
		clear(t.phases)
		t.line("%s: %v", stageName(d), d.Members)
	}
	t.members(d, reports)
}

// because is why a deploy goes back. Why one has ended says the end of the command.
func because(d store.Deploy) string {
	if d.Reason == "" || d.State != plan.RollingBack {
		return ""
	}
	return ": " + firstLine(d.Reason)
}

func stageName(d store.Deploy) string {
	switch {
	case d.Proving:
		return fmt.Sprintf("stage %d, the canary", d.Stage)
	case d.Back:
		return fmt.Sprintf("stage %d, back", d.Stage)
	}
	return fmt.Sprintf("stage %d", d.Stage)
}

// members tells which machines have done their turn.
func (t *teller) members(d store.Deploy, reports map[string]store.Report) {
	counts := map[store.Phase]int{}
	for _, name := range d.Members {
		r := reports[name]
		phase := store.Idle
		if r.Turn == d.TurnID() {
			phase = r.Phase
		}
		counts[phase]++
		if phase != t.phases[name] && (phase == store.Done || phase == store.Failed) {
			t.line("  %s %s", name, phase)
		}
		t.phases[name] = phase
	}
	if t.live && !t.quiet && d.Open {
		t.clear()
		fmt.Fprintf(t.out, "  %s of %d: %s", stageName(d), len(d.Members), counted(counts))
		t.shown = true
	}
}

func counted(counts map[store.Phase]int) (text string) {
	for _, phase := range slices.Sorted(maps.Keys(counts)) {
		word := string(phase)
		if phase == store.Idle {
			word = "waiting"
		}
		text += fmt.Sprintf("%d %s ", counts[phase], word)
	}
	return text
}
