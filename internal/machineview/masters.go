package machineview

import (
	"context"
	"sync"
	"time"

	"relevo/internal/apps"
)

// Masters asks the masters of all apps. Each is asked by itself: one that does not answer delays a
// look by no more than its patience, once for each question.
type Masters struct {
	names func() ([]string, error)
	ask   func(ctx context.Context, name string) apps.App
	ctx   context.Context

	measurer apps.Measurer

	mu    sync.Mutex
	known map[string]*question
	asked sync.WaitGroup
}

// AskMasters returns Masters of the apps that names lists. ask asks one, and may take long; ctx is of
// the questions, which may outlive a look.
func AskMasters(ctx context.Context, names func() ([]string, error),
	ask func(ctx context.Context, name string) apps.App) *Masters {
	return &Masters{names: names, ask: ask, ctx: ctx}
}

// Wait waits until each master that was asked has answered, or the questions' context has ended.
func (m *Masters) Wait() { m.asked.Wait() }

// question is what one master was asked.
type question struct {
	since    time.Time     // when it was asked
	answered chan struct{} // closed with the answer
	before   *apps.App     // the answer before; nil: there is none
	app      apps.App      // the answer, after answered
}

// silence is how long the last answer of a master stands for the next one. A machine that is busy
// makes masters slow.
const silence = 5 * time.Second

// All returns all apps by name. It waits so long for a master that was not asked before.
func (m *Masters) All(ctx context.Context, patience time.Duration) ([]apps.App, error) {
	names, err := m.names()
	if err != nil {
		return nil, err
	}
	questions := m.askAll(names)
	all := make([]apps.App, 0, len(names))
	for i, q := range questions {
		if a, there := q.wait(ctx, names[i], patience); there {
			all = append(all, a)
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return all, nil
}

// Measured is All, with what workers use.
func (m *Masters) Measured(ctx context.Context, patience time.Duration) ([]apps.App, error) {
	all, err := m.All(ctx, patience)
	if err == nil {
		m.measurer.Measure(all)
	}
	return all, err
}

// askAll asks those that are not being asked already.
func (m *Masters) askAll(names []string) (questions []*question) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, next := time.Now(), map[string]*question{}
	for _, name := range names {
		q := m.known[name]
		if q == nil || q.done() {
			q = m.question(name, q, now)
		}
		next[name] = q
		questions = append(questions, q)
	}
	m.known = next // without the apps that are gone
	return questions
}

func (m *Masters) question(name string, last *question, now time.Time) *question {
	q := &question{since: now, answered: make(chan struct{})}
	if last != nil {
		before := last.app // a pointer into last would keep it, and by its own before all questions since the start
		q.before = &before
	}
	m.asked.Go(func() {
		q.app = m.ask(m.ctx, name)
		close(q.answered)
	})
	return q
}

func (q *question) done() bool {
	select {
	case <-q.answered:
		return true
	default:
		return false
	}
}

// wait returns the answer, or what stands for it. It is not there where nothing is left of the app
// but a socket.
func (q *question) wait(ctx context.Context, name string, patience time.Duration) (a apps.App, there bool) {
	late := time.NewTimer(patience - time.Since(q.since))
	defer late.Stop()
	select {
	case <-q.answered:
		a = q.app
	default:
		select {
		case <-q.answered:
			a = q.app
		case <-late.C:
			a = q.standIn(name)
		case <-ctx.Done():
		}
	}
	return a, a.State != "" && (a.Definition != nil || a.State != apps.Failed)
}

// standIn is what is said of a master that has not answered yet.
func (q *question) standIn(name string) apps.App {
	silent := apps.App{Name: name, State: apps.Silent}
	if q.before == nil {
		return silent
	}
	if time.Since(q.since) < silence {
		return *q.before
	}
	silent.Definition = q.before.Definition
	return silent
}
