package prove

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrCannotRun is wrapped by an error of Options.During that would occur in every further run, too.
var ErrCannotRun = errors.New("cannot run the command")

// Runs are the runs of Options.During.
type Runs struct {
	Command string `json:"command"`
	Done    int    `json:"done"`
	Failed  int    `json:"failed"`
	Reasons notes  `json:"reasons,omitempty"`
	Slowest Millis `json:"slowest_ms"`
}

// repeater runs Options.During again and again under the load.
type repeater struct {
	*load

	mu       sync.Mutex
	runs     Runs
	hopeless error // every further run would fail, too
}

// run runs it Options.Times times, and more often until Options.MinRequests is reached. A
// command such as a signal returns before its effect is over, so the load continues for
// Options.Every after each run.
func (r *repeater) run(ctx context.Context) {
	for n := 0; !r.stopping() && (n < r.options.Times || !r.enough()); n++ {
		began := time.Now()
		err := r.options.During(ctx)
		if ctx.Err() != nil {
			return
		}
		r.note(time.Since(began), err)
		if errors.Is(err, ErrCannotRun) {
			return
		}
		r.pause(r.options.Every - time.Since(began))
	}
}

func (r *repeater) note(took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs.Slowest = max(r.runs.Slowest, Millis(took))
	if err == nil {
		r.runs.Done++
		return
	}
	r.runs.Failed++
	r.runs.Reasons.add(err.Error())
	if errors.Is(err, ErrCannotRun) {
		r.hopeless = err
	}
}

func (r *repeater) sofar() (Runs, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs, r.hopeless
}
