package scaler

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"relevo/internal/autoscale"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/upgrader/listeners"
)

// Pool is what the scaler needs of a pool of workers.
type Pool interface {
	Status() (pool.Status, error)
	ResizeFor(reason string, target func(now int) (int, error)) (from, to int, err error)
	LoadAbove(limit float64) (<-chan struct{}, error)
}

// Listeners are the sockets at which clients wait.
type Listeners interface {
	Queues() listeners.Queues
	AwaitClient(ctx context.Context) error
}

// Options are what a scaler is made of. All but Now are required.
type Options struct {
	Log       *slog.Logger
	App       func() config.App      // the configuration that serves
	Changed   func() <-chan struct{} // closed when App has changed since
	Pool      func() Pool            // returns the pool that runs now
	Listeners func() Listeners
	// Slowness is how late the answers to the health check are that came since a time; 1: as
	// late as the timeout.
	Slowness func(since time.Time) float64
	Warn     func(text string) // replaces the warning of relevo status; empty: there is none
	Now      func() time.Time  // nil: time.Now
}

// Scaler changes the number of workers of one pool.
type Scaler struct {
	o     Options
	wake  chan struct{} // a user has changed something; holds one
	short shortage      // only Run uses it

	mu    sync.Mutex
	state state
}

// state is what passes from one master to the next.
type state struct {
	Range  config.WorkerRange `json:"range"`
	Fixed  bool               `json:"fixed,omitempty"` // a user wants the number that there is
	Reason string             `json:"reason,omitempty"`
	At     time.Time          `json:"at,omitzero"` // of the last decision
}

// New returns a scaler that no user has told a number.
func New(o Options) *Scaler {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Scaler{o: o, wake: make(chan struct{}, 1), short: shortage{log: o.Log, warn: o.Warn}}
}

// Fix has the number of workers stay what a user wants, or, with false, follow the load
// again. Why the load has changed the number last is forgotten: the number is what the user
// wants. Undo is for a number that the pool refuses.
func (s *Scaler) Fix(fixed bool) (undo func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.state
	wanted := state{Range: before.Range, Fixed: fixed}
	s.setLocked(wanted)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.state == wanted { // else the load or the configuration has changed it meanwhile
			s.setLocked(before)
		}
	}
}

// setLocked replaces the state, and tells Run.
func (s *Scaler) setLocked(to state) {
	s.state = to
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// follow takes the numbers of the configuration, and says whether the load decides. If they have
// changed, they replace the number that a user has set.
func (s *Scaler) follow(r config.WorkerRange) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Range != r {
		s.state = state{Range: r}
	}
	return r.Most > bounds(r).Min && !s.state.Fixed
}

// bounds are those while there are workers at all.
func bounds(r config.WorkerRange) autoscale.Bounds {
	return autoscale.Bounds{Min: max(r.Least, 1), Max: r.Most}
}

// Fixed says whether a user has set the number of workers.
func (s *Scaler) Fixed() bool {
	r := s.numbers()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Fixed && s.state.Range == r
}

// Run looks and decides until ctx ends. As long as the load does not decide it only waits.
func (s *Scaler) Run(ctx context.Context) {
	for ctx.Err() == nil {
		changed := s.o.Changed()
		if r := s.numbers(); s.follow(r) {
			s.scale(ctx, r)
			continue
		}
		s.rest(ctx, changed)
	}
}

// rest waits until something else may be wanted.
func (s *Scaler) rest(ctx context.Context, changed <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-changed:
	case <-s.wake:
	}
}

func (s *Scaler) numbers() config.WorkerRange {
	app := s.o.App()
	return app.WorkerRange()
}

// scale decides as long as the numbers of the configuration stay.
func (s *Scaler) scale(ctx context.Context, r config.WorkerRange) {
	var decider *autoscale.Decider
	m := meter{o: s.o}
	quiet := 0 // looks in a row
	defer s.short.end()
	for {
		changed := s.o.Changed()
		if ctx.Err() != nil || s.numbers() != r || !s.follow(r) {
			return
		}
		next := autoscale.Pause
		status, err := s.o.Pool().Status()
		if err == nil && !status.Asleep.IsZero() {
			decider, m, quiet = nil, meter{o: s.o}, 0
			s.decided("", time.Time{})
			s.short.end()
			s.rest(ctx, changed)
			continue
		}
		if err == nil {
			if decider == nil {
				decider = autoscale.New(bounds(r), s.o.Now(), status.Slots)
			}
			d := s.look(decider, &m, status)
			if next = d.Next; d.Quiet {
				quiet++
			} else {
				quiet = 0
			}
		}
		switch {
		case quiet < quietLooks:
			s.pause(ctx, next, changed)
		case s.await(ctx, changed):
			quiet = 0
		}
	}
}

// After quietLooks in a row without load, the next look is when a client comes, or after
// quietPause.
const (
	quietLooks = 10
	quietPause = 10 * time.Second
)

// look looks once, decides, and does what is decided.
func (s *Scaler) look(decider *autoscale.Decider, m *meter, status pool.Status) autoscale.Decision {
	now := s.o.Now()
	sample := m.sample(now, status)
	d := decider.Decide(now, sample)
	if d = s.withinMemory(d, now, sample.Workers, m, status); d.Workers == sample.Workers {
		return d
	}
	_, _, err := s.o.Pool().ResizeFor(d.Reason, func(n int) (int, error) {
		if n != sample.Workers {
			return 0, errOvertaken
		}
		return d.Workers, nil
	})
	if err != nil { // the pool stops or is handed over, or a user has changed the number
		s.o.Log.Debug("not resized", "err", err)
		return d
	}
	m.changed = now
	s.decided(d.Reason, now)
	return d
}

// withinMemory reduces a growth to the workers for which there is memory.
func (s *Scaler) withinMemory(d autoscale.Decision, now time.Time, workers int, m *meter,
	status pool.Status) autoscale.Decision {
	needed := d.Workers
	if needed > workers {
		d = d.Within(workers, m.room(status))
	}
	if d.Workers < needed {
		s.short.note(now, needed, d.Workers, s.o.App())
	} else {
		s.short.enough(now)
	}
	return d
}

// decided notes why the number of workers is what it is since when, as far as the load decided.
func (s *Scaler) decided(reason string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Reason, s.state.At = reason, at
}

var errOvertaken = errors.New("the number of workers has changed meanwhile")

// pause waits until the next look, or something else may be wanted.
func (s *Scaler) pause(ctx context.Context, length time.Duration, changed <-chan struct{}) {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-changed:
	case <-s.wake:
	case <-timer.C:
	}
}

// await waits for a client, or for a worker that reports that it is busy, quietPause at most. It
// says whether there may be load.
func (s *Scaler) await(ctx context.Context, changed <-chan struct{}) (load bool) {
	busy, err := s.o.Pool().LoadAbove(autoscale.High)
	if err != nil { // the pool stops or is handed over
		s.pause(ctx, autoscale.Pause, changed)
		return true
	}
	waiting, cancel := context.WithTimeout(ctx, quietPause)
	defer cancel()
	came := make(chan error, 1)
	go func() { came <- s.o.Listeners().AwaitClient(waiting) }()
	select {
	case err := <-came:
		return err != nil || waiting.Err() == nil // where nothing tells, it looks each second
	case <-changed:
	case <-s.wake:
	case <-busy:
	}
	cancel()
	<-came
	return true
}

// Describe adds to a status who decides on the number of workers, and why it is what it is.
func (s *Scaler) Describe(to *control.Status) {
	r := s.numbers()
	if r.Most == 0 {
		return
	}
	app := s.o.App()
	s.mu.Lock()
	defer s.mu.Unlock()
	to.Scale = &control.Scale{Min: r.Least, Max: r.Most, Fixed: s.state.Fixed && s.state.Range == r,
		Reason: s.state.Reason, At: s.state.At}
	if app.Sleeps() {
		to.Scale.Idle = config.DurationText(app.Idle)
	}
}

// Legacy is what the next master gets.
func (s *Scaler) Legacy() json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == (state{}) || s.state.Range.Most == 0 {
		return nil
	}
	text, err := json.Marshal(s.state)
	if err != nil {
		s.o.Log.Error("internal error", "err", err)
	}
	return text
}

// TakeOver takes what the previous master has left.
func (s *Scaler) TakeOver(left json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(left) > 0 && json.Unmarshal(left, &s.state) != nil {
		s.state = state{}
	}
}

// held says whether nothing may be decided: a roll is under way, or a worker on probation.
func held(status pool.Status) bool {
	return status.State != string(machine.Running) || status.Rolling != nil || status.Canary != nil
}
