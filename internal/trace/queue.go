package trace

import (
	"context"
	"sync"
	"time"
)

// Queue sends traces one after the other, and never blocks its callers. Run has to run.
type Queue struct {
	Send func(context.Context, Trace) error
	// Warn is told why a trace was not sent: once, until one is sent again.
	Warn func(error)

	once   sync.Once
	waits  chan Trace
	silent bool // Warn was told
}

const (
	// queued is how many traces may wait for a receiver that is slow. More are lost.
	queued = 64
	// lastWait is how long the traces that wait may take after the end.
	lastWait = time.Second
)

func (q *Queue) channel() chan Trace {
	q.once.Do(func() { q.waits = make(chan Trace, queued) })
	return q.waits
}

// Add gives a trace to be sent.
func (q *Queue) Add(t Trace) {
	select {
	case q.channel() <- t:
	default: // the receiver takes none: Warn has been told
	}
}

// Run sends until ctx ends, and then what still waits.
func (q *Queue) Run(ctx context.Context) {
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastWait, cancel) })()
	for {
		select {
		case t := <-q.channel():
			q.send(last, t)
			continue
		default:
		}
		select {
		case t := <-q.channel():
			q.send(last, t)
		case <-ctx.Done():
			return
		}
	}
}

func (q *Queue) send(ctx context.Context, t Trace) {
	err := q.Send(ctx, t)
	if err != nil && !q.silent {
		q.Warn(err)
	}
	q.silent = err != nil
}
