package master

import (
	"context"
	"sync/atomic"

	"relevo/internal/config"
	"relevo/internal/decide"
	"relevo/pool"
)

// stage is how far the master has come. The loop owns it: all others tell it what has happened,
// and read what the loop has published last. They do not ask the loop for that, because the
// pool's loop reads it, too, and must not wait for this one.
type stage struct {
	box       mailbox // of the loop
	published atomic.Pointer[standing]

	// Below: owned by the loop.
	cancel  context.CancelFunc // of the wait for something to start; nil: there is none
	readers []chan pool.Event  // of that wait; closed when there is something to see, or at the end
}

// standing is what is known at a moment. Nobody changes one that is published.
type standing struct {
	decide.Stage
	pool    *pool.Pool          // another one after a failed start; nil: there is none yet
	fitted  *config.WorkerRange // that the pool was last fitted to
	refused string              // why a roll was that is tried again; empty: there is none
}

// is what the loop has published last.
func (s *stage) is() standing {
	if now := s.published.Load(); now != nil {
		return *now
	}
	return standing{}
}

// tell returns when the loop has published what follows. The pool's loop may call it.
func (s *stage) tell(n noted) (next decide.StageNext) {
	answer := make(chan decide.StageNext, 1)
	n.answer = answer
	if s.box.post(n) {
		next = <-answer
	}
	return next
}

// use has all requests go to a pool from now on.
func (s *stage) use(p *pool.Pool) { s.tell(noted{pool: p}) }

// fit notes which numbers of workers a pool was fitted to.
func (s *stage) fit(to config.WorkerRange) { s.tell(noted{fitted: &to}) }

// takeOver notes how far a start of the previous master has come.
func (s *stage) takeOver(fellBack, served bool) {
	s.tell(noted{left: &decide.Stage{FellBack: fellBack, Served: served}})
}

// happened is for events that need nothing else.
func (s *stage) happened(e decide.StageEvent) decide.StageNext { return s.tell(noted{event: e}) }

// await begins a wait, whose end cancel is, until happened(decide.WaitEnds).
func (s *stage) await(cancel context.CancelFunc) {
	s.tell(noted{event: decide.WaitBegins, cancel: cancel})
}

// release lets those go who have subscribed in a wait.
func (s *stage) release() { s.tell(noted{letGo: true}) }

// subscribe returns events that do not come while there is a wait.
func (s *stage) subscribe() (events <-chan pool.Event, waits bool) {
	answer := make(chan (<-chan pool.Event), 1)
	if s.box.post(subscribed{answer}) {
		events = <-answer
	}
	return events, events != nil
}

// note is what the loop does with what it is told.
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

// refuse keeps why a roll was refused that is tried again.
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

// letGo ends what those see who have subscribed in a wait.
func (s *stage) letGo() {
	for _, reader := range s.readers {
		close(reader)
	}
	s.readers = nil
}
