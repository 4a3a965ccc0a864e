package health

import (
	"cmp"
	"slices"
	"time"
)

// Sample is what came of asking a worker.
type Sample struct {
	Worker string
	At     time.Time
	Took   time.Duration // 0: there was no answer
	Fault  string        // what is wrong, with the answer; empty: it is well
	Status int           // of an HTTP answer
	Young  bool          // it is in its start period: a fault does not count
}

// The waits between two successors that are tried while all workers fail. A worker that
// is alone is replaced at once the first time.
const (
	firstTrial  = 30 * time.Second
	longestWait = 5 * time.Minute
)

// Judge knows the answers of one pool. It is not safe for concurrent use. The zero value
// works, and knows nothing.
type Judge struct{ state State }

// State is a Judge as it passes from one master to the next.
type State struct {
	Check   string             `json:"check,omitempty"`   // what is asked
	Proven  bool               `json:"proven,omitempty"`  // a worker has passed it once
	Doubted bool               `json:"doubted,omitempty"` // it was told that none ever has
	Workers map[string]*Record `json:"workers,omitempty"`
	Out     string             `json:"out,omitempty"`      // the worker that is out of service
	All     bool               `json:"all,omitempty"`      // all fail
	AllTold bool               `json:"all_told,omitempty"` // that they do
	Trial   time.Time          `json:"trial,omitzero"`     // the next successor while all fail
	Wait    time.Duration      `json:"wait,omitempty"`     // after that one
}

// Record is what is known of a worker.
type Record struct {
	Failures int       `json:"failures,omitempty"` // in a row
	Excused  int       `json:"excused,omitempty"`  // of these: until not all failed any more
	Since    time.Time `json:"since,omitzero"`     // the first of them
	Fault    string    `json:"fault,omitempty"`    // of the last answer
	Status   int       `json:"status,omitempty"`
	At       time.Time `json:"at,omitzero"`      // of the last answer
	Told     bool      `json:"told,omitempty"`   // that it fails
	Passed   bool      `json:"passed,omitempty"` // once
	Latency  Latency   `json:"latency,omitzero"`
}

// Kind says what a News is about.
type Kind string

// The kinds.
const (
	Failing   Kind = "failing"   // a worker fails
	Recovered Kind = "recovered" // a worker that failed is well again
	Unproven  Kind = "unproven"  // no worker has ever passed the check: it is likely wrong
	Proven    Kind = "proven"    // one has, after that was told
	AllFail   Kind = "all fail"  // the cause is outside of them: none is taken out
	AllOver   Kind = "all over"  // that has passed
)

// News is something to be told, once.
type News struct {
	Kind   Kind
	Worker string // of Failing and Recovered
	Fault  string
	Status int
	Count  int // of AllFail and Unproven: the workers
}

// Verdict is what follows from all answers.
type Verdict struct {
	// Suspend is the worker that gets no new client; every other one does.
	Suspend string
	// Replace is the worker that a successor is wanted for, with the reason. It may be
	// the same one many times.
	Replace, Reason string
	News            []News
}

// TakeOver returns a judge with the state of the previous master's judge.
func TakeOver(s State) *Judge { return &Judge{state: s} }

// State returns the state for TakeOver. It belongs to the judge: do not change it.
func (j *Judge) State() State { return j.state }

// Ask says what is asked from now on. Another check than before is unproven, and what was
// known of workers does not count.
func (j *Judge) Ask(check string) {
	if j.state.Check != check {
		j.state = State{Check: check}
	}
}

// Proven says whether a worker has passed the check once.
func (j *Judge) Proven() bool { return j.state.Proven }

// Asked says whether the check was put to workers that serve.
func (j *Judge) Asked() bool { return len(j.state.Workers) > 0 }

// Note takes a sample in.
func (j *Judge) Note(s Sample) {
	if j.state.Workers == nil {
		j.state.Workers = map[string]*Record{}
	}
	r := j.state.Workers[s.Worker]
	if r == nil {
		r = &Record{}
		j.state.Workers[s.Worker] = r
	}
	r.Fault, r.Status, r.At = s.Fault, s.Status, s.At
	if s.Took > 0 {
		r.Latency.add(s.Took)
	}
	switch {
	case s.Fault == "":
		r.Failures, r.Excused, r.Since, r.Passed, j.state.Proven = 0, 0, time.Time{}, true, true
	case s.Young && !r.Passed:
	default:
		if r.Failures++; r.Failures == 1 {
			r.Since = s.At
		}
	}
}

// Record returns what is known of a worker, nil where that is nothing.
func (j *Judge) Record(worker string) *Record { return j.state.Workers[worker] }

// Decide looks at the workers that serve, when all of them were asked. So many failures
// in a row make one fail. Of canaries only the answers are kept: each is judged alone.
func (j *Judge) Decide(now time.Time, serving, canaries []string, failures int) (v Verdict) {
	for worker := range j.state.Workers {
		if !slices.Contains(serving, worker) && !slices.Contains(canaries, worker) {
			delete(j.state.Workers, worker)
		}
	}
	failing, well := j.sort(serving, failures)
	v.News = j.single(serving, failures)
	if j.state.Proven && j.state.Doubted {
		j.state.Doubted = false
		v.News = append(v.News, News{Kind: Proven})
	}
	if !slices.Contains(failing, j.state.Out) {
		j.state.Out = ""
	}
	switch {
	case len(failing) == 0 || !j.state.Proven:
		j.over(&v)
		j.doubt(&v, failing, serving)
	case len(failing) == len(serving):
		j.allFail(now, &v, failing)
	case well == 0 && j.state.Out == "":
		// The others have begun to fail, too: the next answers show whether all do.
	case j.state.AllTold:
		// The others may be well again, too, with their next answers: what they had so far was
		// likely the fault of none of them.
		j.over(&v)
		for _, worker := range failing {
			r := j.state.Workers[worker]
			r.Excused = r.Failures
		}
	default:
		j.over(&v)
		if j.state.Out == "" {
			j.state.Out = failing[0]
		}
		v.Suspend = j.state.Out
		j.replace(&v, j.state.Out)
	}
	return v
}

// sort returns those that fail, the longest first, and how many have answered well the
// last time, or were not asked yet.
func (j *Judge) sort(serving []string, failures int) (failing []string, well int) {
	for _, worker := range serving {
		switch r := j.state.Workers[worker]; {
		case r == nil || r.Failures == 0:
			well++
		case r.Failures-r.Excused >= failures:
			failing = append(failing, worker)
		}
	}
	slices.SortStableFunc(failing, func(a, b string) int {
		return cmp.Or(j.state.Workers[a].Since.Compare(j.state.Workers[b].Since), cmp.Compare(len(a), len(b)),
			cmp.Compare(a, b))
	})
	return failing, well
}

// single tells of each worker that begins to fail or recovers.
func (j *Judge) single(serving []string, failures int) (news []News) {
	if !j.state.Proven {
		return nil
	}
	for _, worker := range serving {
		r := j.state.Workers[worker]
		if r == nil {
			continue
		}
		switch fails := r.Failures >= failures; {
		case fails && !r.Told:
			r.Told = true
			news = append(news, News{Kind: Failing, Worker: worker, Fault: r.Fault, Status: r.Status})
		case r.Told && r.Failures == 0:
			r.Told = false
			news = append(news, News{Kind: Recovered, Worker: worker})
		}
	}
	return news
}

// doubt tells once that all workers fail a check which none has ever passed.
func (j *Judge) doubt(v *Verdict, failing, serving []string) {
	if j.state.Proven || j.state.Doubted || len(failing) == 0 || len(failing) < len(serving) {
		return
	}
	j.state.Doubted = true
	r := j.state.Workers[failing[0]]
	v.News = append(v.News, News{Kind: Unproven, Fault: r.Fault, Status: r.Status, Count: len(serving)})
}

// over ends the time in which all failed.
func (j *Judge) over(v *Verdict) {
	if j.state.AllTold {
		v.News = append(v.News, News{Kind: AllOver})
	}
	j.state.All, j.state.AllTold, j.state.Trial, j.state.Wait = false, false, time.Time{}, 0
}

// allFail leaves all in service: the cause is likely outside of them, and a bad answer is
// better than none. Now and then a successor is tried, beside the worker that has failed
// for the longest time. One worker alone is no sign of that, so it is replaced at once.
func (j *Judge) allFail(now time.Time, v *Verdict, failing []string) {
	s := &j.state
	if !s.All {
		s.All, s.Wait, s.Trial = true, firstTrial, now
		if len(failing) > 1 {
			s.AllTold, s.Trial = true, now.Add(firstTrial)
			r := s.Workers[failing[0]]
			v.News = append(v.News, News{Kind: AllFail, Fault: r.Fault, Status: r.Status, Count: len(failing)})
		}
	}
	if len(failing) == 1 {
		v.Suspend = failing[0] // nothing else serves, so that its clients wait for its successor
	}
	if now.Before(s.Trial) {
		return
	}
	s.Trial, s.Wait = now.Add(s.Wait), min(2*s.Wait, longestWait)
	j.replace(v, failing[0])
}

func (j *Judge) replace(v *Verdict, worker string) {
	v.Replace, v.Reason = worker, Reason(j.state.Workers[worker].Fault)
}

// Reason says why a worker leaves.
func Reason(fault string) string { return "unhealthy: " + fault }
