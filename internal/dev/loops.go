package dev

import "time"

// loops finds files that a cycle itself changes: a build that writes its own inputs, or a program
// that rewrites its configuration at each start. Such a file changes in every cycle, sooner than a
// person could react to its result.
type loops struct {
	runs map[string]run
}

// run counts how often in a row a file has changed during a cycle.
type run struct {
	times int
	until time.Time // until then its changes are held back
	hold  time.Duration
}

// loopAfter is the number of changes in a row, each during a cycle, that no person makes.
const loopAfter = 5

// firstHold is how long changes of a suspected file are held back; the time doubles each time.
const (
	firstHold = 2 * time.Second
	maxHold   = time.Minute
)

// began counts the files whose change begins a cycle; during says whether the previous cycle was
// still under way. It returns a file that is suspected now.
func (l *loops) began(paths []string, during bool, now time.Time) (found string) {
	if l.runs == nil {
		l.runs = map[string]run{}
	}
	if !during {
		clear(l.runs)
		return ""
	}
	next := map[string]run{}
	for _, path := range paths {
		r := l.runs[path]
		r.times++
		if r.times >= loopAfter {
			r.hold = min(max(2*r.hold, firstHold), maxHold)
			r.until = now.Add(r.hold)
			found = path
		}
		next[path] = r
	}
	// A file that is held back stays under suspicion when other files change.
	for path, r := range l.runs {
		if _, again := next[path]; !again && r.until.After(now) {
			next[path] = r
		}
	}
	l.runs = next
	return found
}

// wait returns how long changes of these files are held back: 0 if one of them is not suspected.
func (l *loops) wait(paths []string, now time.Time) (left time.Duration) {
	for _, path := range paths {
		until := l.runs[path].until
		if !until.After(now) {
			return 0
		}
		left = max(left, until.Sub(now))
	}
	return left
}
