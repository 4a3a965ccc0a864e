package trace

import (
	"context"
	"sync"
	"time"
)

// Queue sends traces one after the other, and never blocks its callers. It sends while Run runs.
type Queue struct {
	Send func(context.Context, Trace) error
	// Warn is called with the reason why a trace was not sent, but not again until one was sent.
	Warn func(error)

	once   sync.Once
	waits  chan Trace
	silent bool // Warn was called
}

const (
	// queued is how many traces may wait for a slow receiver. More are lost.
	queued = 64
	// lastWait is how long sending the last traces may take after ctx has ended.
	lastWait = time.Second
)

func (q *Queue) channel() chan Trace {
	q.once.Do(func() { q.waits = make(chan Trace, queued) })
	return q.waits
}

// Add queues a trace.
func (q *Queue) Add(t Trace) {
	select {
	case q.channel() <- t:
	default: // the queue is full, and the trace is lost
	}
}

// Run sends traces until ctx ends, and then those that still wait.
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
