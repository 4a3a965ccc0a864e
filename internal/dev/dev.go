package dev

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/pool"
	"relevo/watch"
)

// Master has the methods of *master.Master that the loop calls.
type Master interface {
	Status() (control.Status, error)
	Reload(control.ReloadOptions) (control.Wait, error)
	Rollback(to string) (control.Wait, error)
	Subscribe() (events <-chan pool.Event, cancel func(), err error)
	Stop(force bool) error
	// Warn sets a warning of `relevo status`; an empty text removes it.
	Warn(kind, text string)
	// Dropped counts the connections that the kernel refused at the listeners since they were
	// opened; ok is false if the kernel does not count them.
	Dropped() (n int, ok bool)
}

// Browser controls the pages: package dev/proxy.
type Browser interface {
	// Reload says which files have changed, after their new version serves.
	Reload(paths []string)
	Fail(Failure)
	// Clear removes what Fail showed.
	Clear()
}

// Failure is the reason why the newest save does not serve.
type Failure struct {
	Title    string // one line
	Problems []Problem
	Output   string // the build's output, cut in the middle if long, or the worker's last lines
}

// Options are the settings of New.
type Options struct {
	// Dir is the absolute directory that relative patterns and commands start from.
	Dir   string
	Dev   config.Dev
	Place string // absolute directory for built programs
	Store string // absolute directory of copies of releases; empty: none
	Name  string // file name of the built program
	// ConfigFile, if set, is watched too: changing it rolls.
	ConfigFile string
	Browser    Browser // nil: none
	Log        *slog.Logger
	Say        func(Note)
	// Open opens an address in the browser.
	Open func(address string)
	// ClearScreen erases the terminal.
	ClearScreen func()
}

// Dev is the loop.
type Dev struct {
	opts     Options
	tree     *watch.Tree
	made     recipe
	master   Master // nil before Attach
	attached chan struct{}
	calls    chan func()
	keys     <-chan byte   // nil: no keyboard
	stopping chan struct{} // closed to end Run
	ended    chan struct{} // closed when Run takes no more calls
	tasks    sync.WaitGroup

	// The rest belongs to Run's goroutine.
	plan     *plan
	loops    loops
	imports  imports
	now      cycle              // the cycle that is being built
	stop     context.CancelFunc // cancels the running step
	busyTill time.Time          // until then a change counts as part of the cycle
	settling bool               // everything is built, but files still change
	paused   bool
	opened   bool     // the browser was opened at the start
	held     []string // changes held back by a pause or a suspected loop
	release  *time.Timer
	failure  *Failure
	start    start
	rolls    int             // requested so far
	ctx      context.Context // context of Run
	rolling  int             // rolls under way
	started  time.Time
}

// cycle is the way of one save to the workers.
type cycle struct {
	paths []string
	first time.Time // time of the save
	sent  time.Time // when everything was quiet
	built time.Duration
	names []string // of the steps that ran
	back  bool     // it goes back to the last good release
	done  time.Time
}

// start is the progress of the first start.
type start struct {
	waiter chan struct{} // closed to end Await
	ready  bool          // there is something to start
	begun  bool          // the master has begun to start it
	serves bool
	cycle  cycle
	next   *cycle // built while the first start was under way
}

// New finds out what to watch, and begins to watch it. For a Go program it runs the go command.
func New(ctx context.Context, o Options) (*Dev, error) {
	d := &Dev{
		opts: o, attached: make(chan struct{}), calls: make(chan func()), ended: make(chan struct{}),
		stopping: make(chan struct{}),
		imports:  imports{seen: map[string]string{}}, release: time.NewTimer(time.Hour), started: time.Now(),
	}
	d.release.Stop()
	var err error
	if d.made, err = newRecipe(ctx, o); err != nil {
		return nil, err
	}
	d.tree, err = watch.NewTree(watch.TreeOptions{Set: d.made.set, Debounce: o.Dev.Debounce, Log: o.Log})
	if err != nil {
		return nil, err
	}
	d.plan = d.made.plan()
	d.plan.all()
	d.now = cycle{first: d.started, sent: time.Now()}
	return d, nil
}

// Command is the workers' command: the given one, with {out} replaced by the built file, or in a Go
// module the built program itself.
func (d *Dev) Command(given []string) []string { return d.made.command(given) }

// UseKeys connects a keyboard. Call it before Run.
func (d *Dev) UseKeys(keys <-chan byte) { d.keys = keys }

// Attach connects the master.
func (d *Dev) Attach(m Master) {
	d.master = m
	close(d.attached)
}

// Run runs the loop until ctx ends. It returns when everything that it started has ended.
func (d *Dev) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		close(d.stopping)
		close(d.ended) // callers that wait give up
		d.tasks.Wait()
	}()
	select {
	case <-d.attached:
	case <-ctx.Done():
		return
	}
	d.ctx = ctx
	d.sayWatching()
	files := d.tree.List()
	d.tasks.Go(func() { d.tree.Run(ctx) })
	d.step(ctx)
	if d.made.goInput != nil {
		d.imports.changed(files)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case batch := <-d.tree.Changes():
			d.batch(ctx, batch)
		case <-d.release.C:
			d.letGo(ctx)
		case key, open := <-d.keys:
			if !open {
				d.keys = nil
				continue
			}
			d.key(ctx, key)
		case call := <-d.calls:
			call()
		}
	}
}

// call makes the loop run a function, unless the loop has ended.
func (d *Dev) call(f func()) {
	select {
	case d.calls <- f:
	case <-d.ended:
	}
}

func (d *Dev) say(kind NoteKind, text string) { d.opts.Say(Note{Kind: kind, Text: text}) }

// short is a path for display: relative if it is below the directory.
func (d *Dev) short(path string) string {
	if rel, err := filepath.Rel(d.opts.Dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
