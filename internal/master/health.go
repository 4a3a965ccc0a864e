package master

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/health"
	"relevo/internal/health/ask"
	"relevo/pool"
	"relevo/pool/machine"
)

// healthWatch asks the workers whether they are well, and does what package health
// decides. The zero value knows nothing. Nothing of the pool may be called with mu held:
// its loop writes the legacy.
type healthWatch struct {
	mu    sync.Mutex
	judge *health.Judge // of the workers that can be asked one by one
	whole *health.Judge // of the pool as a whole; nil: nothing is asked of that

	rounds sync.WaitGroup // under way
	stop   context.CancelFunc
	paused bool

	// Of the goroutine that asks: the worker that gets no new client, and whether that is
	// known to be so in the kernel.
	suspended string
	applied   bool
}

// bindsLate is how much later than ready a worker may be said to be that has a socket of
// its own.
const bindsLate = 2 * time.Second

// wholePool stands for the pool among the names of workers.
const wholePool = "pool"

// watchHealth asks as often as the configuration says. Without a check it only waits for
// one.
func (m *Master) watchHealth(ctx context.Context) {
	for ctx.Err() == nil {
		changed := m.changed.wait()
		h := m.app().Health
		if !h.On() {
			m.forgetHealth()
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		m.askFor(ctx, h, changed)
	}
}

// askFor returns when something else may be wanted.
func (m *Master) askFor(ctx context.Context, h config.Health, changed <-chan struct{}) {
	if !m.health.begin(h) {
		m.announcer.Warnings.Set(announce.HealthWarning, "") // it spoke of another check
	}
	ticker := time.NewTicker(health.Pause(h.Interval, h.Patience(), h.Failures))
	defer ticker.Stop()
	for {
		m.healthRound(ctx, h)
		select {
		case <-ctx.Done():
			return
		case <-changed:
			if m.app().Health.Key() != h.Key() {
				return
			}
			changed = m.changed.wait()
		case <-ticker.C:
		}
	}
}

// forgetHealth leads clients to all workers again, where one was out of service when the
// check was taken away.
func (m *Master) forgetHealth() {
	w := &m.health
	w.mu.Lock()
	known := w.judge != nil
	w.judge, w.whole = nil, nil
	w.mu.Unlock()
	if !known {
		return
	}
	m.announcer.Warnings.Set(announce.HealthWarning, "")
	if status, err := m.running().Status(); err == nil {
		m.suspend(serving(status), "")
	}
}

// healthRound asks all workers that serve, at the same time, and acts on the answers.
func (m *Master) healthRound(ctx context.Context, h config.Health) {
	ctx, done, ok := m.health.round(ctx)
	if !ok {
		return
	}
	defer done()
	status, err := m.running().Status()
	if err != nil {
		return // it stops, or another master goes on
	}
	answers := m.askAll(ctx, h, serving(status))
	whole := m.askWhole(ctx, h, serving(status))
	if ctx.Err() != nil {
		return
	}
	if status, err = m.running().Status(); err != nil {
		return
	}
	now := serving(status)
	canary := ""
	if status.Canary != nil {
		canary = status.Canary.ID
	}
	verdict, of := m.health.decide(h, answers, whole, now, canary)
	m.suspend(now, verdict.Suspend)
	m.tellHealth(h, verdict.News, of.News)
	if fault := m.health.fails(canary, h); fault != "" { // it answers for its release alone
		m.replaceUnhealthy(canary, health.Reason(fault))
	}
	if verdict.Replace != "" {
		m.replaceUnhealthy(verdict.Replace, verdict.Reason)
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

func (m *Master) replaceUnhealthy(id, reason string) {
	if err := m.running().Unhealthy(id, reason); err != nil {
		m.log.Debug("not replaced", "worker", id, "err", err)
	}
}

// suspend keeps new clients from one worker, and from no other.
func (m *Master) suspend(all []pool.Worker, id string) {
	w := &m.health
	if w.applied && w.suspended == id {
		return
	}
	w.applied, w.suspended = true, id
	for _, worker := range all {
		for _, l := range m.listeners.upgrader.SeatsOf(worker.ID) {
			if err := l.Suspend(worker.ID, worker.ID == id); err != nil {
				m.log.Error("clients cannot be led", "worker", worker.ID, "err", err)
				w.applied = false
			}
		}
	}
}

// askAll asks each worker that can be asked.
func (m *Master) askAll(ctx context.Context, h config.Health, workers []pool.Worker) (samples []health.Sample) {
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, w := range workers {
		target := m.healthTarget(h, w.ID, w.Slot, w.PID)
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

// askWhole asks the pool, where a worker of it cannot be asked.
func (m *Master) askWhole(ctx context.Context, h config.Health, workers []pool.Worker) *health.Sample {
	shared := func(w pool.Worker) bool { // one that is ready may bind a little later
		return time.Since(w.Ready) > max(h.Interval, bindsLate) && len(m.listeners.upgrader.SeatsOf(w.ID)) == 0
	}
	if h.HTTP == "" && !h.TCP || !slices.ContainsFunc(workers, shared) {
		return nil
	}
	target, ok := m.wholeTarget()
	if !ok {
		return nil
	}
	if m.listeners.once.First("health of the whole pool") {
		m.log.Info("workers that share a socket are not asked one by one: the health check asks the pool as a "+
			"whole, and replaces none",
			"check", h.String(), "address", target.Address)
	}
	s := sampleOf(wholePool, ask.Ask(ctx, h, target))
	return &s
}

// begin prepares for a check, and says whether it is the one of before.
func (w *healthWatch) begin(h config.Health) (same bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.judge == nil {
		w.judge = &health.Judge{}
	}
	same = w.judge.State().Check == h.What()
	w.judge.Ask(h.What())
	if w.whole != nil {
		w.whole.Ask(h.What())
	}
	return same
}

// decide takes the answers in.
func (w *healthWatch) decide(h config.Health, answers []health.Sample, whole *health.Sample, now []pool.Worker,
	canary string) (of, ofWhole health.Verdict) {
	w.mu.Lock()
	defer w.mu.Unlock()
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
		w.judge.Note(s)
	}
	of = w.judge.Decide(time.Now(), ids, []string{canary}, h.Failures)
	if whole == nil {
		w.whole = nil
		return of, ofWhole
	}
	if w.whole == nil {
		w.whole = &health.Judge{}
		w.whole.Ask(h.What())
	}
	w.whole.Note(*whole)
	return of, w.whole.Decide(time.Now(), []string{wholePool}, nil, h.Failures)
}

// fails is what is wrong with a worker that fails, empty where it does not.
func (w *healthWatch) fails(worker string, h config.Health) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r := w.judge.Record(worker); r != nil && r.Failures >= h.Failures && w.judge.Proven() {
		return r.Fault
	}
	return ""
}

// round says whether workers may be asked now. done is to be called at the end.
func (w *healthWatch) round(ctx context.Context) (_ context.Context, done func(), ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.paused {
		return nil, nil, false
	}
	ctx, w.stop = context.WithCancel(ctx)
	stop := w.stop
	w.rounds.Add(1)
	return ctx, func() { stop(); w.rounds.Done() }, true
}

// pause ends the round under way and begins none, while another master may go on.
func (w *healthWatch) pause() {
	w.mu.Lock()
	w.paused = true
	if w.stop != nil {
		w.stop()
	}
	w.mu.Unlock()
	w.rounds.Wait()
}

func (w *healthWatch) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused = false
}

// legacy is nil where nothing is asked.
func (w *healthWatch) legacy() json.RawMessage {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.judge == nil {
		return nil
	}
	text, err := json.Marshal(w.judge.State())
	if err != nil {
		panic("internal error: master: " + err.Error()) // plain values
	}
	return text
}

// inherit goes on with what another master knew. What cannot be read is asked again.
func (w *healthWatch) inherit(left json.RawMessage) {
	var state health.State
	if len(left) > 0 && json.Unmarshal(left, &state) == nil {
		w.judge = health.Inherit(state)
	}
}
