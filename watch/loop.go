package watch

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"
)

// loop is one Run. Only it uses what is known about the file.
type loop struct {
	*File
	log   *slog.Logger
	hints *hints
	quiet quiet
	timer *time.Timer // set while a look at the file is due
	retry time.Duration

	every  time.Duration // how often the path is polled; 0 while it is not
	ticker *time.Ticker  // nil while it is not
	polled <-chan time.Time

	at       resolution // the last look
	base     string     // the name in use; another one is a change
	seen     identity   // the file that was read last
	seenSum  string     // the sha256 of its bytes
	settle   settle
	saidWait string // the reason to wait that was logged last, which is not repeated
	saidPoll string
}

// maxRetry is the longest wait between two looks at a file that is being written.
const maxRetry = 2 * time.Second

// check is the outcome of one look at the file.
type check struct {
	sum   string        // sha256 of its bytes; "" if they cannot be read now
	name  string        // from Options.Name
	err   error         // why the bytes cannot be read
	again time.Duration // when the loop looks again by itself; 0 if it waits for a hint
}

func newLoop(w *File) *loop {
	l := &loop{File: w, log: w.opts.Log.With("path", w.opts.Path), hints: newHints(), base: w.start}
	l.quiet = quiet{min: w.opts.Quiet, max: w.opts.QuietMax}
	l.timer = time.NewTimer(0) // the first look is for what changed since New
	return l
}

func (l *loop) close() {
	l.timer.Stop()
	l.poll(0)
	l.hints.close()
}

func (l *loop) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.hints.wake:
			l.hint()
		case base := <-l.active:
			l.base = base
			l.hint()
		case <-l.polled:
			if l.differs() {
				l.hint()
			}
		case <-l.timer.C:
			l.due(ctx)
		}
	}
}

// differs says, for a poll, whether a look at the file is due.
func (l *loop) differs() bool {
	if resolve(l.opts.Path).id != l.at.id {
		return true
	}
	name, err := l.opts.nameOf(l.seenSum)
	return err == nil && name != "" && name != l.base
}

func (l *loop) hint() {
	now := time.Now()
	l.quiet.hint(now)
	l.retry = 0
	l.timer.Reset(l.quiet.wait(now))
}

// due looks at the file and arranges for the next look.
func (l *loop) due(ctx context.Context) {
	l.quiet.clear()
	c := l.check(ctx)
	if ctx.Err() != nil {
		return
	}
	if c.again > 0 {
		l.timer.Reset(c.again)
	}
	l.sayWait(c.err)
	if c.err == nil && c.name != l.base {
		l.base = c.name
		l.emit(c)
	}
	if l.checked != nil {
		l.checked(c)
	}
}

// emit sends the outcome of the last look, if it is a Change.
func (l *loop) emit(c check) {
	l.changes.put(Change{
		Path: l.opts.Path, File: l.at.file, Name: c.name, SHA256: c.sum,
		Size: l.at.id.size, ModTime: time.Unix(0, l.at.id.mtime),
	})
}

func (l *loop) check(ctx context.Context) check {
	c := l.lookAtFile(ctx)
	if c.err == nil {
		c.name, c.err = l.opts.nameOf(c.sum)
	}
	return c
}

func (l *loop) lookAtFile(ctx context.Context) check {
	at, trouble := l.hints.look(l.opts.Path, l.opts.Ways...)
	l.at = at
	l.choosePoll(trouble)
	if err := unfit(at, l.opts.Script); err != nil {
		return check{err: err}
	}
	if at.id == l.seen {
		return check{sum: l.seenSum}
	}
	s, err := l.read(ctx)
	if err != nil {
		return check{err: err, again: l.again(err)}
	}
	return check{sum: s}
}

// read returns the sha256 of the file, or an error if it may be being written.
func (l *loop) read(ctx context.Context) (string, error) {
	f, err := open(l.at)
	if err != nil {
		return "", err
	}
	defer f.Close()
	began := time.Now()
	if err := l.finished(f, began); err != nil {
		return "", err
	}
	s, err := l.opts.sum(ctx, f, l.at.id)
	if err != nil {
		return "", err
	}
	if l.at.id.settled(began) {
		l.seen, l.seenSum = l.at.id, s
	}
	return s, nil
}

// finished returns nil if the file counts as completely written. On network file systems
// leases do not count: at best they know the local writers, and some grant none.
func (l *loop) finished(f *os.File, now time.Time) error {
	who := unknownWriters
	if silentFilesystem(l.at.file) == "" {
		who = writersOf(f)
	}
	switch who {
	case noWriters:
		return nil
	case someWriters:
		return errUnfinished
	}
	return l.settle.check(f, l.at.id, l.opts.QuietMax, now)
}

// again returns how long to wait for a hint before the next look, after an error of read.
func (l *loop) again(err error) time.Duration {
	var settle settleError
	switch {
	case errors.As(err, &settle):
		return settle.left
	case errors.Is(err, fs.ErrPermission):
		return 0 // chmod and chown give a hint
	case errors.Is(err, errUnfinished):
		l.retry = min(max(2*l.retry, l.opts.Quiet), maxRetry)
		return l.retry
	}
	return maxRetry
}

// choosePoll starts or stops polling. trouble is the reason why events may be missing.
func (l *loop) choosePoll(trouble error) {
	every := l.opts.Poll
	if every == 0 && trouble != nil {
		every = defaultPoll
	}
	l.poll(max(0, every))
	text := ""
	if trouble != nil {
		text = trouble.Error()
	}
	if text == l.saidPoll {
		return
	}
	l.saidPoll = text
	switch {
	case text == "":
		l.log.Info("file events can be trusted again")
	case every > 0:
		l.log.Warn("file events cannot be trusted: polling", "every", every, "err", text)
	default:
		l.log.Warn("file events cannot be trusted and polling is off: a change may be missed", "err", text)
	}
}

// poll sets how often the path is looked at without a hint, 0 for never.
func (l *loop) poll(every time.Duration) {
	if every == l.every {
		return
	}
	if l.ticker != nil {
		l.ticker.Stop()
		l.ticker, l.polled = nil, nil
	}
	if l.every = every; every > 0 {
		l.ticker = time.NewTicker(every)
		l.polled = l.ticker.C
	}
}

// sayWait logs once why the file is waited for, and once that the wait is over.
func (l *loop) sayWait(err error) {
	text := ""
	switch {
	case errors.As(err, new(settleError)):
		return
	case err != nil:
		text = err.Error()
	}
	if text == l.saidWait {
		return
	}
	l.saidWait = text
	if text == "" {
		l.log.Info("the watched file is there and complete")
		return
	}
	l.log.Info("waiting for the watched file; nothing changes until then", "err", text)
}
