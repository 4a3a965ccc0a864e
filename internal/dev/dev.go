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

// Master is what the loop asks of the master: *master.Master.
type Master interface {
	Status() (control.Status, error)
	Reload(control.ReloadOptions) (control.Wait, error)
	Rollback(to string) (control.Wait, error)
	Subscribe() (events <-chan pool.Event, cancel func(), err error)
	Stop(force bool) error
	// Warn sets what `relevo status` warns of; an empty text takes it back.
	Warn(kind, text string)
	// Dropped counts the connections that the kernel turned away at the listeners
	// since they were opened; ok is false where it does not tell.
	Dropped() (n int, ok bool)
}

// Browser is told what the page is to show: package dev/proxy.
type Browser interface {
	// Reload says that files changed and that what was made of them serves.
	Reload(paths []string)
	Fail(Failure)
	// Clear takes back what Fail showed.
	Clear()
}

// Failure is why the newest save does not serve.
type Failure struct {
	Title    string // one line
	Problems []Problem
	Output   string // what the build wrote, cut in the middle if long, or the last lines of the worker
}

// Options are what the loop is made of.
type Options struct {
	// Dir is where patterns and commands count from, absolute.
	Dir   string
	Dev   config.Dev
	Place string // directory of what is built, absolute
	Store string // directory of the copies of releases, absolute; default: none
	Name  string // of the program that is built
	// ConfigFile, if set, is watched too: a change of it rolls.
	ConfigFile string
	Browser    Browser // nil: none
	Log        *slog.Logger
	Say        func(Note)
	// Open opens the page of a listener in the browser.
	Open func(address string)
	// ClearScreen wipes the terminal.
	ClearScreen func()
}

// Dev is the loop.
type Dev struct {
	opts     Options
	tree     *watch.Tree
	made     recipe
	master   Master // since Attach; before that nothing is asked of it
	attached chan struct{}
	calls    chan func()
	keys     <-chan byte   // nil: there are none
	stopping chan struct{} // closed when Run is to end
	ended    chan struct{} // closed when Run takes no call any more
	tasks    sync.WaitGroup

	// What follows belongs to Run's goroutine.
	plan     *plan
	loops    loops
	imports  imports
	now      cycle              // what is being built
	stop     context.CancelFunc // of the step that runs
	busyTill time.Time          // until when a change counts as one during a cycle
	settling bool               // all is built, not all is quiet
	paused   bool
	opened   bool     // the browser was, at the start
	held     []string // changed while paused, or under suspicion of a loop
	release  *time.Timer
	failure  *Failure
	start    start
	rolls    int             // that were asked for
	ctx      context.Context // of Run
	rolling  int             // of them, under way
	started  time.Time
}

// cycle is one save's way to the workers.
type cycle struct {
	paths []string
	first time.Time // of the save
	sent  time.Time // when all was quiet
	built time.Duration
	names []string // of the steps that ran
	back  bool     // to the last good release
	done  time.Time
}

// start is how far the first start is.
type start struct {
	waiter chan struct{} // Await waits for this to be closed
	ready  bool          // there is something to start
	begun  bool          // the master starts it
	serves bool
	cycle  cycle
	next   *cycle // what was made while the first start was under way
}

// New looks what is to be watched and begins to watch it. It runs the go command
// where a Go program is built.
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

// Command is the command that the workers run: what is given, with {out} in it
// replaced by what is built, or in a Go module what is built.
func (d *Dev) Command(given []string) []string { return d.made.command(given) }

// UseKeys gives the loop keystrokes, before Run.
func (d *Dev) UseKeys(keys <-chan byte) { d.keys = keys }

// Attach gives the loop its master.
func (d *Dev) Attach(m Master) {
	d.master = m
	close(d.attached)
}

// Run goes on until ctx ends. It returns when all that it started is gone.
func (d *Dev) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		close(d.stopping)
		close(d.ended) // who waits for a call to be taken waits no more
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

// call has the loop run a function, unless it has ended.
func (d *Dev) call(f func()) {
	select {
	case d.calls <- f:
	case <-d.ended:
	}
}

func (d *Dev) say(kind NoteKind, text string) { d.opts.Say(Note{Kind: kind, Text: text}) }

// short is a path as people read it: relative where it lies below the directory.
func (d *Dev) short(path string) string {
	if rel, err := filepath.Rel(d.opts.Dir, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
