package sleeper

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"relevo/internal/config"
	"relevo/internal/sleep"
	"relevo/pool"
	"relevo/upgrader/listeners"
)

// Pool is what the sleeper needs of a pool of workers.
type Pool interface {
	Status() (pool.Status, error)
	Sleep(reason string) error
	Wake(workers int, reason string) error
}

// Listeners are the sockets at which clients wait.
type Listeners interface {
	Listeners() []*listeners.Listener
	Inodes() map[uint64]bool
	Queues() listeners.Queues
	AwaitClient(ctx context.Context) error
	Rest(on bool) error
}

// Options are what a sleeper is made of. All but Now are required.
type Options struct {
	Log       *slog.Logger
	App       func() config.App      // the configuration that serves
	Changed   func() <-chan struct{} // closed when App, Fixed or the sleep has changed since
	Pool      func() Pool            // returns the pool that runs now
	Listeners func() Listeners
	Fixed     func() bool // a user has set the number of workers
	// Asked says how long ago relevo has asked workers for their health, 0 while it does. Its
	// connections are no clients.
	Asked func() time.Duration
	Warn  func(text string) // replaces the warning of relevo status; empty: there is none
	Now   func() time.Time  // nil: time.Now
}

// Sleeper puts one pool to sleep and wakes it. It keeps nothing that another master would need:
// the pool knows whether it sleeps.
type Sleeper struct{ o Options }

// New returns a sleeper.
func New(o Options) *Sleeper {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Sleeper{o}
}

// Run works until ctx ends. Where the pool is never to sleep it only waits for a change.
func (s *Sleeper) Run(ctx context.Context) {
	for ctx.Err() == nil {
		changed := s.o.Changed()
		status, err := s.o.Pool().Status()
		switch idle, may := s.idle(); {
		case err == nil && !status.Asleep.IsZero():
			s.awaitClient(ctx, may, changed)
		case may:
			s.watch(ctx, idle)
		default:
			s.o.Warn("")
			select {
			case <-ctx.Done():
			case <-changed:
			}
		}
	}
}

// idle is the time without clients after which the pool is to sleep, if it ever is.
func (s *Sleeper) idle() (idle time.Duration, may bool) {
	app := s.o.App()
	return app.Idle, app.Sleeps() && !s.o.Fixed()
}

// retry is the pause before another try of what the pool could not do: it is about to be handed
// to another master, or to stay with this one.
const retry = 100 * time.Millisecond

// awaitClient waits until a client comes to a pool that sleeps, or something has changed.
func (s *Sleeper) awaitClient(ctx context.Context, may bool, changed <-chan struct{}) {
	if !may {
		app := s.o.App()
		s.wake(ctx, max(app.Workers, 1), "workers = "+app.WorkerRange().String())
		return
	}
	if err := s.o.Listeners().Rest(true); err != nil { // the previous master may have left it undone
		s.o.Log.Warn("clients may have to wait for the end of a worker that leaves", "err", err)
	}
	came, err := s.arrival(ctx, changed)
	if err != nil {
		s.o.Log.Warn("workers start although no client has come", "err", err)
	}
	if came || err != nil {
		s.wake(ctx, 1, "a client came")
	}
}

// arrival waits for a client, and says whether one came before something changed.
func (s *Sleeper) arrival(ctx context.Context, changed <-chan struct{}) (came bool, err error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	arrived := make(chan error, 1)
	go func() { arrived <- s.o.Listeners().AwaitClient(waiting) }()
	select {
	case err = <-arrived:
		return waiting.Err() == nil, err
	case <-changed:
	case <-ctx.Done():
	}
	cancel()
	<-arrived
	return false, nil
}

func (s *Sleeper) wake(ctx context.Context, workers int, reason string) {
	err := s.o.Pool().Wake(workers, reason)
	if err == nil {
		return
	}
	s.o.Log.Debug("not woken", "err", err)
	pause(ctx, retry, nil)
}

// watch looks as long as the pool is awake and may sleep, and puts it to sleep.
func (s *Sleeper) watch(ctx context.Context, idle time.Duration) {
	decider := sleep.New(idle, s.o.Now())
	m := meter{o: s.o}
	came := false
	for {
		changed := s.o.Changed()
		if now, may := s.idle(); ctx.Err() != nil || !may || now != idle {
			return
		}
		next := retry
		if status, err := s.o.Pool().Status(); err == nil {
			if !status.Asleep.IsZero() {
				return
			}
			var asleep bool
			if next, asleep = s.look(decider, &m, status, came); asleep {
				return
			}
		}
		came = s.between(ctx, next, changed)
	}
}

// settle is how long what a health check has opened may still be seen.
const settle = 100 * time.Millisecond

// look looks once, and puts the pool to sleep if it is time. It looks soon again while relevo
// itself asks a worker.
func (s *Sleeper) look(d *sleep.Decider, m *meter, status pool.Status, came bool) (next time.Duration, asleep bool) {
	if asked := s.o.Asked(); asked < settle && !came {
		return max(settle-asked, settle/10), false
	}
	now := s.o.Now()
	sample := m.sample(now, status, d.Idle())
	sample.Came = came
	decision := d.Decide(now, sample)
	if !decision.Sleep {
		return decision.Next, false
	}
	if asleep = s.fallAsleep(status, decision.Reason); !asleep {
		d.Begin(now)
	}
	return decision.Next, asleep
}

// between waits for the next look, and says whether a client came meanwhile.
func (s *Sleeper) between(ctx context.Context, next time.Duration, changed <-chan struct{}) (came bool) {
	until := time.Now().Add(next)
	waiting, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	for {
		arrived, err := s.arrival(waiting, changed)
		if !arrived {
			return false
		}
		if err != nil || s.o.Asked() >= settle {
			pause(waiting, time.Until(until), changed)
			return err == nil
		}
		pause(waiting, settle, changed) // it was relevo itself
	}
}

// fallAsleep puts the pool to sleep, unless no client could wake it.
func (s *Sleeper) fallAsleep(status pool.Status, reason string) bool {
	why := s.deaf(status)
	s.o.Warn(why)
	if why != "" {
		return false
	}
	sockets := s.o.Listeners()
	if err := sockets.Rest(true); err != nil {
		s.o.Log.Warn("workers stay although no client comes", "err", err)
		return false
	}
	err := s.o.Pool().Sleep(reason)
	if err == nil {
		return true
	}
	if !errors.Is(err, pool.ErrHandedOver) {
		err = errors.Join(err, sockets.Rest(false))
	}
	s.o.Log.Debug("not put to sleep", "err", err)
	return false
}

// pause waits for a time, or until something has changed.
func pause(ctx context.Context, length time.Duration, changed <-chan struct{}) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-changed:
	case <-timer.C:
	}
}
