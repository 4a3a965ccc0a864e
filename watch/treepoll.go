package watch

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// defaultTreePoll is how often a tree is looked at if its events may be missing.
const defaultTreePoll = 500 * time.Millisecond

// trust remembers why events of a path may be missing; with a nil error they are not.
func (l *treeLoop) trust(path string, err error) {
	if err != nil && !passing(err) {
		l.untrusted[path] = err.Error()
	}
}

// shut says whether a directory may not be read, such as the data of a database or of a container.
// It is left out until its mode changes, because polling would not help.
func (l *treeLoop) shut(path string) bool {
	dir, err := os.Open(path)
	if err == nil {
		dir.Close()
	}
	is := errors.Is(err, fs.ErrPermission)
	if is && !l.closed[path] {
		l.log.Warn("a directory is left out: it cannot be read", "path", path)
	}
	if delete(l.closed, path); is {
		l.closed[path] = true
	}
	return is
}

// choosePoll starts or stops polling, and logs that.
func (l *treeLoop) choosePoll() {
	why := ""
	for path, reason := range l.untrusted {
		if _, entered := l.dirs[path]; !entered && !l.heads[path] {
			delete(l.untrusted, path)
		} else if why == "" || reason < why {
			why = reason
		}
	}
	l.setPoll(why)
	if why == "" && l.trouble != "" {
		l.log.Info("file events can be trusted again")
	}
	if why != "" && l.trouble == "" {
		if every := l.every(); every > 0 {
			l.log.Warn("file events are incomplete: the files are polled", "every", every, "reason", why)
		} else {
			l.log.Warn("file events are incomplete and polling is off: a change may be missed", "reason", why)
		}
	}
	l.trouble = why
}

// every returns how often a small tree is polled.
func (l *treeLoop) every() time.Duration {
	if l.tree.opts.Poll == 0 {
		return defaultTreePoll
	}
	return max(0, l.tree.opts.Poll)
}

func (l *treeLoop) setPoll(why string) {
	wanted := l.tree.opts.Poll > 0 || l.tree.opts.Poll == 0 && why != ""
	switch {
	case wanted && l.poll == nil:
		l.poll = time.NewTicker(l.every())
		l.polled = l.poll.C
	case !wanted && l.poll != nil:
		l.poll.Stop()
		l.poll, l.polled = nil, nil
	}
}
