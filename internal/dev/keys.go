package dev

import (
	"context"
	"fmt"
	"slices"
	"time"

	"relevo/internal/control"
	"relevo/internal/phrase"
	"relevo/pool/machine"
)

// NoteKind is the kind of a Note.
type NoteKind int

const (
	Plain NoteKind = iota
	Good
	Bad
)

// Note is a message for the terminal. It may have several lines.
type Note struct {
	Kind NoteKind
	Text string
}

// Help is shown by the key ?.
const Help = `keys:
    r  roll: replace the workers
    b  build everything again, and roll
    p  pause: saves wait; p again resumes
    l  go back to the last good release; the next save goes forward again
    s  status
    c  clear the screen
    o  open the page in the browser
    q  quit (or Ctrl-C)`

// key runs the command of a key.
func (d *Dev) key(ctx context.Context, key byte) {
	switch key {
	case 'r':
		d.keyRoll(ctx)
	case 'b':
		d.fresh()
		d.plan.all()
		if d.stop != nil {
			d.stop()
			return
		}
		d.step(ctx)
	case 'p':
		d.pause(ctx)
	case 'l':
		d.back(ctx)
	case 's':
		d.sayStatus()
	case 'c':
		d.opts.ClearScreen()
	case 'o':
		d.open()
	case '?', 'h':
		d.say(Plain, Help)
	case 'q':
		d.say(Plain, "stopping")
		d.tasks.Go(func() { d.master.Stop(false) })
	}
}

// open opens the first listener's page.
func (d *Dev) open() {
	if s, err := d.master.Status(); err == nil && len(s.Listeners) > 0 {
		d.opts.Open(s.Listeners[0].Address)
	}
}

// fresh begins a cycle without a save.
func (d *Dev) fresh() {
	now := time.Now()
	d.now = cycle{first: now, sent: now}
	clear(d.loops.runs)
}

func (d *Dev) keyRoll(ctx context.Context) {
	if !d.start.serves {
		d.say(Bad, "nothing serves yet: b builds again")
		return
	}
	d.fresh()
	d.now.done = time.Now()
	d.roll(ctx, d.now)
}

func (d *Dev) pause(ctx context.Context) {
	if d.paused = !d.paused; d.paused {
		d.say(Plain, "paused: saves wait; p resumes")
		return
	}
	d.say(Plain, fmt.Sprintf("resumed, with %s that changed", phrase.Count(len(d.held), "file")))
	d.letGo(ctx)
}

func (d *Dev) back(ctx context.Context) {
	if !d.start.serves {
		d.say(Bad, "nothing serves yet")
		return
	}
	now := time.Now()
	d.ask(ctx, cycle{first: now, sent: now, back: true}, func() (control.Wait, error) { return d.master.Rollback("") })
}

func (d *Dev) sayStatus() {
	s, err := d.master.Status()
	if err != nil {
		d.say(Bad, err.Error())
		return
	}
	serving := 0
	for _, w := range s.Workers {
		if w.State == string(machine.Serving) {
			serving++
		}
	}
	text := join(fmt.Sprintf("%s %s", s.Name, s.State), fmt.Sprintf("generation %d", s.Generation),
		fmt.Sprintf("%d of %s serve", serving, phrase.Count(len(s.Workers), "worker")),
		fmt.Sprintf("%s in %s", phrase.Count(d.tree.Files(), "file"), phrase.Count(d.tree.Watches(), "directory")))
	if d.paused {
		text = join(text, paused(len(d.held)))
	}
	for _, warning := range s.Warnings {
		text += "\n  " + warning
	}
	d.say(Plain, text)
}

// sayWatching prints at the start what is watched.
func (d *Dev) sayWatching() {
	d.say(Plain, fmt.Sprintf("watching %s in %s", phrase.Count(d.tree.Files(), "file"),
		phrase.Count(d.tree.Watches(), "directory")))
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func paused(files int) string {
	if files == 1 {
		return "paused, 1 file waits"
	}
	return fmt.Sprintf("paused, %d files wait", files)
}
