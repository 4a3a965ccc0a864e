package monitor

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/health"
	"relevo/internal/health/ask"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/upgrader/listeners"
)

// Pool is the part of a pool that the monitor uses.
type Pool interface {
	Status() (pool.Status, error)
	Unhealthy(id, reason string) error
	PublishFor(id string, e pool.Event) error
	Publish(e pool.Event)
}

// Listeners are the open sockets, and the seats of workers.
type Listeners interface {
	SeatsOf(worker string) []*listeners.Listener
	Listeners() []*listeners.Listener
}

// Options of a Monitor. All are required.
type Options struct {
	Log       *slog.Logger
	Pool      func() Pool            // returns the present pool
	App       func() config.App      // the serving configuration
	Changed   func() <-chan struct{} // closed when App has changed
	Listeners func() Listeners
	Warn      func(text string) // sets the warning of relevo status; empty: it removes the warning
	// Start and Reap are called at the start and the end of a command (package reaper).
	Start func(start func() (pid int, err error)) error
	Reap  func(pid int, reap func())
}

// Monitor asks the workers whether they are well, and does what package health decides. It must not
// call the pool with mu held, because the pool's loop asks it for the legacy.
type Monitor struct {
	o Options

	mu    sync.Mutex
	judge *health.Judge // for the workers that can be asked one by one
	whole *health.Judge // for the pool as a whole; nil: it is not asked

	rounds sync.WaitGroup // under way
	asking bool           // a round is under way
	asked  time.Time      // the end of the last round
	stop   context.CancelFunc
	paused bool
	once   announce.Once // of warnings about the check

	// Owned by the asking goroutine: the worker that gets no new clients, and whether the kernel is
	// known to do so.
	suspended string
	applied   bool
}

// New returns a monitor that knows nothing about the workers yet.
func New(o Options) *Monitor { return &Monitor{o: o} }

// bindsLate is how long after it is ready a worker may still bind a socket of its own.
const bindsLate = 2 * time.Second

// wholePool stands for the whole pool among the names of workers.
const wholePool = "pool"

// Run asks as often as the configuration says, until ctx ends. Without a check it only
// waits for one.
func (m *Monitor) Run(ctx context.Context) {
	for ctx.Err() == nil {
		changed := m.o.Changed()
		h := m.o.App().Health
		if !h.On() {
			m.forget()
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		m.askFor(ctx, h, changed)
	}
}

// askFor asks until the configuration has changed.
func (m *Monitor) askFor(ctx context.Context, h config.Health, changed <-chan struct{}) {
	if !m.begin(h) {
		m.o.Warn("") // the warning was about another check
	}
	pause := health.Pause(h.Interval, h.Patience(), h.Failures)
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		rests := m.asleep()
		if rests { // no worker has to be asked until something changes
			ticker.Stop()
		} else {
			m.askOnce(ctx, h)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
			if m.o.App().Health.Key() != h.Key() {
				return
			}
			changed = m.o.Changed()
			if rests {
				ticker.Reset(pause)
			}
		case <-ticker.C:
		}
	}
}

func (m *Monitor) asleep() bool {
	status, err := m.o.Pool().Status()
	return err == nil && !status.Asleep.IsZero()
}

// forget ends the check: workers that were out of service get clients again.
func (m *Monitor) forget() {
	m.mu.Lock()
	known := m.judge != nil
	m.judge, m.whole = nil, nil
	m.mu.Unlock()
	if !known {
		return
	}
	m.o.Warn("")
	if status, err := m.o.Pool().Status(); err == nil {
		m.suspend(serving(status), "")
	}
}

// askOnce asks all serving workers at the same time, and acts on the answers.
func (m *Monitor) askOnce(ctx context.Context, h config.Health) {
	ctx, done, ok := m.round(ctx)
	if !ok {
		return
	}
	defer done()
	status, err := m.o.Pool().Status()
	if err != nil {
		return // the pool stops, or another master takes over
	}
	answers := m.askAll(ctx, h, serving(status))
	whole := m.askWhole(ctx, h, serving(status))
	if ctx.Err() != nil {
		return
	}
	if status, err = m.o.Pool().Status(); err != nil {
		return
	}
	now := serving(status)
	canary := ""
	if status.Canary != nil {
		canary = status.Canary.ID
	}
	verdict, of := m.decide(h, answers, whole, now, canary)
	m.suspend(now, verdict.Suspend)
	m.tell(h, verdict.News, of.News)
	if fault := m.fails(canary, h); fault != "" { // a canary fails only its own release
		m.replace(canary, health.Reason(fault))
	}
	if verdict.Replace != "" {
		m.replace(verdict.Replace, verdict.Reason)
	}
}

func serving(status pool.Status) (all []pool.Worker) {
	for _, w := range status.Workers {
		if w.State == string(machine.Serving) {
			all = append(all, w)
		}
	}
	return all
}

func (m *Monitor) replace(id, reason string) {
	if err := m.o.Pool().Unhealthy(id, reason); err != nil {
		m.o.Log.Debug("not replaced", "worker", id, "err", err)
	}
}

// suspend keeps new clients from one worker only.
func (m *Monitor) suspend(all []pool.Worker, id string) {
	if m.applied && m.suspended == id {
		return
	}
	m.applied, m.suspended = true, id
	for _, worker := range all {
		for _, l := range m.o.Listeners().SeatsOf(worker.ID) {
			if err := l.Suspend(worker.ID, worker.ID == id); err != nil {
				m.o.Log.Error("cannot steer clients", "worker", worker.ID, "err", err)
				m.applied = false
			}
		}
	}
}

// askAll asks each worker that can be asked by itself.
func (m *Monitor) askAll(ctx context.Context, h config.Health, workers []pool.Worker) (samples []health.Sample) {
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, w := range workers {
		target := m.target(h, w.ID, w.Slot, w.PID)
		if !target.Asks(h) {
			continue
		}
		asking.Go(func() {
			a := ask.Ask(ctx, h, target)
			s := sampleOf(w.ID, a)
			s.Young = time.Since(w.Started) < h.StartPeriod
			mu.Lock()
			defer mu.Unlock()
			samples = append(samples, s)
		})
	}
	asking.Wait()
	return samples
}

func sampleOf(worker string, a ask.Answer) health.Sample {
	return health.Sample{Worker: worker, At: time.Now(), Took: a.Took, Fault: a.Fault, Status: a.Status}
}

// askWhole asks the pool as a whole if one of its workers cannot be asked by itself.
func (m *Monitor) askWhole(ctx context.Context, h config.Health, workers []pool.Worker) *health.Sample {
	shared := func(w pool.Worker) bool { // a worker that is ready may bind a little later
		return time.Since(w.Ready) > max(h.Interval, bindsLate) && len(m.o.Listeners().SeatsOf(w.ID)) == 0
	}
	if h.HTTP == "" && !h.TCP || !slices.ContainsFunc(workers, shared) {
		return nil
	}
	target, ok := m.wholeTarget()
	if !ok {
		return nil
	}
	if m.once.First("health of the whole pool") {
		m.o.Log.Info("workers that share a socket are not asked one by one: the health check asks the pool as a "+
			"whole, and replaces none",
			"check", h.String(), "address", target.Address)
	}
	s := sampleOf(wholePool, ask.Ask(ctx, h, target))
	return &s
}

// begin prepares for a check. It returns true if it is the same check as before.
func (m *Monitor) begin(h config.Health) (same bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.judge == nil {
		m.judge = &health.Judge{}
	}
	same = m.judge.State().Check == h.What()
	m.judge.Ask(h.What())
	if m.whole != nil {
		m.whole.Ask(h.What())
	}
	return same
}

// decide records the answers and returns what follows.
func (m *Monitor) decide(h config.Health, answers []health.Sample, whole *health.Sample, now []pool.Worker,
	canary string) (of, ofWhole health.Verdict) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var ids []string
	for _, worker := range now {
		if worker.ID == canary {
			continue
		}
		if slices.ContainsFunc(answers, func(s health.Sample) bool { return s.Worker == worker.ID }) {
			ids = append(ids, worker.ID)
		}
	}
	for _, s := range answers {
		m.judge.Note(s)
	}
	of = m.judge.Decide(time.Now(), ids, []string{canary}, h.Failures)
	if whole == nil {
		m.whole = nil
		return of, ofWhole
	}
	if m.whole == nil {
		m.whole = &health.Judge{}
		m.whole.Ask(h.What())
	}
	m.whole.Note(*whole)
	return of, m.whole.Decide(time.Now(), []string{wholePool}, nil, h.Failures)
}

// fails returns what is wrong with a worker that fails; empty: it does not fail.
func (m *Monitor) fails(worker string, h config.Health) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r := m.judge.Record(worker); r != nil && r.Failures >= h.Failures && m.judge.Proven() {
		return r.Fault
	}
	return ""
}

// round begins a round; ok is false if no worker may be asked now. The caller calls done at its
// end.
func (m *Monitor) round(ctx context.Context) (_ context.Context, done func(), ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.paused {
		return nil, nil, false
	}
	ctx, m.stop = context.WithCancel(ctx)
	stop := m.stop
	m.rounds.Add(1)
	m.asking = true
	return ctx, func() {
		stop()
		m.mu.Lock()
		m.asking, m.asked = false, time.Now()
		m.mu.Unlock()
		m.rounds.Done()
	}, true
}

// Asked says how long ago workers were last asked; 0: they are being asked.
func (m *Monitor) Asked() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asking {
		return 0
	}
	return time.Since(m.asked)
}

// Pause ends the round under way and prevents further ones, while another master may take over.
func (m *Monitor) Pause() {
	m.mu.Lock()
	m.paused = true
	if m.stop != nil {
		m.stop()
	}
	m.mu.Unlock()
	m.rounds.Wait()
}

func (m *Monitor) Resume() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.paused = false
}

// Legacy returns nil if there is no check.
func (m *Monitor) Legacy() json.RawMessage {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.judge == nil {
		return nil
	}
	text, err := json.Marshal(m.judge.State())
	if err != nil {
		panic("internal error: master: " + err.Error()) // plain values
	}
	return text
}

// TakeOver continues with the previous master's results. If they cannot be read, the workers are
// asked again.
func (m *Monitor) TakeOver(left json.RawMessage) {
	var state health.State
	if len(left) > 0 && json.Unmarshal(left, &state) == nil {
		m.judge = health.TakeOver(state)
	}
}
