package master

import (
	"context"
	"sync/atomic"

	"relevo/internal/config"
	"relevo/internal/decide"
	"relevo/pool"
)

// stage is how far the master has come. The loop owns it: everything else tells the loop what has
// happened, and reads what the loop has published last. Readers do not ask the loop, because the
// pool's loop is one of them and must not wait for this loop.
type stage struct {
	box       mailbox // of the loop
	published atomic.Pointer[standing]

	// Below: owned by the loop.
	cancel  context.CancelFunc // ends the wait for something to start; nil: there is no wait
	readers []chan pool.Event  // subscriptions of that wait, closed when there is a pool, or at the end
}

// standing is the stage at one moment. A published standing does not change.
type standing struct {
	decide.Stage
	pool    *pool.Pool          // a new one follows a failed start; nil: there is none yet
	fitted  *config.WorkerRange // the range that the pool was last fitted to
	refused string              // why a roll was refused that will be tried again; empty: none was
}

// is returns what the loop has published last.
func (s *stage) is() standing {
	if now := s.published.Load(); now != nil {
		return *now
	}
	return standing{}
}

// tell passes a change to the loop, and returns when the loop has published it. The pool's loop may
// call it.
func (s *stage) tell(n noted) (next decide.StageNext) {
	answer := make(chan decide.StageNext, 1)
	n.answer = answer
	if s.box.post(n) {
		next = <-answer
	}
	return next
}

// use makes p the pool that answers all requests from now on.
func (s *stage) use(p *pool.Pool) { s.tell(noted{pool: p}) }

// fit notes to which range of workers the pool was fitted.
func (s *stage) fit(to config.WorkerRange) { s.tell(noted{fitted: &to}) }

// takeOver notes how far the start had come under the previous master.
func (s *stage) takeOver(fellBack, served bool) {
	s.tell(noted{left: &decide.Stage{FellBack: fellBack, Served: served}})
}

// happened is for events that carry nothing else.
func (s *stage) happened(e decide.StageEvent) decide.StageNext { return s.tell(noted{event: e}) }

// await begins a wait until happened(decide.WaitEnds). cancel ends the wait early.
func (s *stage) await(cancel context.CancelFunc) {
	s.tell(noted{event: decide.WaitBegins, cancel: cancel})
}

// endSubscriptions ends the subscriptions made during a wait.
func (s *stage) endSubscriptions() { s.tell(noted{letGo: true}) }

// subscribe returns a channel without events during a wait; waits is false if there is none.
func (s *stage) subscribe() (events <-chan pool.Event, waits bool) {
	answer := make(chan (<-chan pool.Event), 1)
	if s.box.post(subscribed{answer}) {
		events = <-answer
	}
	return events, events != nil
}

// note applies a change in the loop.
func (s *stage) note(n noted) (next decide.StageNext) {
	now := s.is()
	if n.pool != nil {
		now.pool = n.pool
	}
	if n.fitted != nil {
		now.fitted = n.fitted
	}
	if n.left != nil {
		now.FellBack, now.Served = n.left.FellBack, n.left.Served
	}
	if n.event != "" {
		next = now.Step(n.event)
	}
	switch n.event {
	case decide.WaitBegins:
		s.cancel = n.cancel
	case decide.WaitEnds:
		s.cancel = nil
	}
	if n.letGo {
		s.letGo()
	}
	if next == decide.EndTheWait && s.cancel != nil {
		s.cancel()
	}
	s.published.Store(&now)
	return next
}

// refuse notes why a roll was refused that will be tried again.
func (s *stage) refuse(why string) {
	now := s.is()
	now.refused = why
	s.published.Store(&now)
}

func (s *stage) subscribed(m subscribed) {
	if !s.is().Waits {
		m.answer <- nil
		return
	}
	reader := make(chan pool.Event)
	s.readers = append(s.readers, reader)
	m.answer <- reader
}

// letGo ends the subscriptions made during a wait.
func (s *stage) letGo() {
	for _, reader := range s.readers {
		close(reader)
	}
	s.readers = nil
}
