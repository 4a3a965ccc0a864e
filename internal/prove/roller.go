package prove

import (
	"context"
	"sync"
	"time"
)

// notes keeps the first few of many messages.
type notes []string

func (n *notes) add(s string) {
	const most = 10
	if len(*n) < most {
		*n = append(*n, s)
	}
}

// roller rolls the target again and again.
type roller struct {
	*load
	told func(Roll) // called with every roll

	mu    sync.Mutex
	rolls Rolls
}

// run rolls Options.Rolls times, and more often until Options.MinRequests is reached.
func (r *roller) run(ctx context.Context) {
	const afterFailure = 500 * time.Millisecond
	for n := 0; !r.stopping() && (n < r.options.Rolls || !r.enough()); n++ {
		roll, err := r.options.Target.Roll(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			roll.OK, roll.Reason = false, err.Error()
		}
		r.note(roll)
		r.told(roll)
		if !roll.OK {
			r.pause(afterFailure)
		}
	}
}

func (r *roller) note(roll Roll) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rolls.Replaced += roll.Replaced
	if roll.OK {
		r.rolls.Done++
		return
	}
	r.rolls.Failed++
	r.rolls.Reasons.add(roll.Reason)
}

func (r *roller) sofar() Rolls {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rolls
}
