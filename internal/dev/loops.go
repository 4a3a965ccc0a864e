package dev

import "time"

// loops finds the file that a cycle itself changes: a build that writes into its
// own inputs, a program that rewrites its configuration whenever it starts. Such a
// file changes in every cycle, before anybody can have seen its result.
type loops struct {
	runs map[string]run
}

// run is how often in a row a file has changed during a cycle.
type run struct {
	times int
	until time.Time // its changes wait until then
	hold  time.Duration
}

// loopAfter is how often in a row nobody changes a file by hand while a cycle runs.
const loopAfter = 5

// firstHold is how long the changes of a file wait that looks like a loop; each
// further time it is twice as long.
const (
	firstHold = 2 * time.Second
	maxHold   = time.Minute
)

// began takes in what begins a cycle at a time; during says whether that happened
// while the cycle before was under way. It returns the file that was found to loop.
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
	// What waits is still under suspicion when others change.
	for path, r := range l.runs {
		if _, again := next[path]; !again && r.until.After(now) {
			next[path] = r
		}
	}
	l.runs = next
	return found
}

// wait returns how long changes of these files have to wait: 0 if one of them is
// above suspicion.
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
