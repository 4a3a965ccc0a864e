package monitor

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"time"

	"relevo/internal/config"
	"relevo/internal/health"
	"relevo/internal/health/ask"
	"relevo/internal/launch"
	"relevo/pool"
	"relevo/pool/machine"
)

// firstLook is the pause after the first bad answer of a starting worker; the next ones are longer,
// up to the interval.
const firstLook = 100 * time.Millisecond

// Admission asks a worker before it serves, if the configuration of its generation has a check.
func (m *Monitor) Admission(app config.App) launch.Admission {
	if !app.Health.On() {
		return launch.Admission{}
	}
	return launch.Admission{Check: app.Health.What(), Admit: func(ctx context.Context, o pool.Order,
		doubt func(string)) error {
		return m.admit(ctx, app, o, doubt)
	}}
}

// admit returns when a worker answers well. If it answers badly for too long, it is refused,
// provided that another worker serves beside it, or that its release is only being tried. Otherwise
// it serves all the same, because it is better than none.
func (m *Monitor) admit(ctx context.Context, app config.App, o pool.Order, doubt func(string)) error {
	began := time.Now()
	for pause := firstLook; ; pause = pause * 3 / 2 {
		s, err := m.standing(o, app)
		if err != nil {
			<-ctx.Done()
			return ctx.Err()
		}
		h := s.app.Health
		target := m.target(h, o.ID, o.Slot, s.pid)
		if !target.Asks(h) {
			return nil
		}
		a := ask.Ask(ctx, h, target)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		m.note(h, sampleOf(o.ID, a))
		if a.Fault == "" {
			return nil
		}
		doubt(health.Reason(a.Fault))
		switch known := m.proven(h); {
		case time.Since(began) < s.patience(known):
		case s.spare && known != checkDoubtful:
			return &unwell{a.Fault, hint(h, a.Fault, a.Status)}
		default:
			return nil
		}
		select {
		case <-time.After(min(pause, h.Interval)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// standing is the situation of a starting worker.
type standing struct {
	app     config.App // the present configuration
	pid     int
	tried   bool // its generation does not serve yet
	spare   bool // the pool is complete without it
	started time.Time
}

func (m *Monitor) standing(o pool.Order, app config.App) (s standing, err error) {
	status, err := m.o.Pool().Status()
	if err != nil {
		return s, err
	}
	s = standing{app: app, tried: o.Generation != status.Generation}
	if !s.tried {
		s.app = m.o.App()
	}
	beside := func(w pool.Worker) bool {
		return w.Slot == o.Slot && w.ID != o.ID && w.State == string(machine.Serving)
	}
	s.spare = s.tried && status.Rolling != nil || slices.ContainsFunc(status.Workers, beside)
	for _, w := range status.Workers {
		if w.ID == o.ID {
			s.pid, s.started = w.PID, w.Started
		}
	}
	return s, nil
}

// patience is how long a worker may answer badly. A check that no worker has passed yet proves
// nothing about this worker, unless its release has brought the check along.
func (s standing) patience(proven checkState) time.Duration {
	h := s.app.Health
	if proven == checkDoubtful || proven == checkNew && !s.spare {
		return h.StartPeriod
	}
	patience := max(h.StartPeriod, h.Interval*time.Duration(h.Failures))
	// It ends before the ready timeout, whose message would not contain the answer.
	return min(patience, s.app.ReadyTimeout*9/10)
}

// checkState is what is known about a check.
type checkState int

const (
	checkNew      checkState = iota // no serving worker was asked yet
	checkDoubtful                   // no worker has ever passed it
	checkProven                     // at least one worker has passed it
)

func (m *Monitor) proven(h config.Health) checkState {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.judge == nil || m.judge.State().Check != h.What():
		return checkNew
	case m.judge.Proven():
		return checkProven
	case m.judge.Asked():
		return checkDoubtful
	}
	return checkNew
}

// note records the answer of a starting worker, if it is one to the present check.
func (m *Monitor) note(h config.Health, s health.Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.judge != nil && m.judge.State().Check == h.What() && s.Fault == "" {
		m.judge.Note(s)
	}
}

// target returns how to reach a worker.
func (m *Monitor) target(h config.Health, id string, slot, pid int) ask.Target {
	t := ask.Target{Slot: slot, PID: pid}
	seats := m.o.Listeners().SeatsOf(id)
	if len(seats) > 0 {
		t.Address = seats[0].Address
		t.Dial = dialing(seats[0], id)
		t.Accepted = func(ctx context.Context) (err error) {
			for _, l := range seats {
				err = errors.Join(err, l.Accepted(ctx, id))
			}
			return err
		}
	} else if all := m.o.Listeners().Listeners(); len(all) > 0 {
		t.Address = all[0].Address
	}
	if h.Command != "" {
		t.Command = m.command()
	}
	return t
}

// command says how to run commands: as the workers run, if they have a user of their own.
func (m *Monitor) command() ask.Command {
	app := m.o.App()
	c := ask.Command{Dir: app.Dir, Start: m.o.Start, Reap: m.o.Reap}
	for _, v := range app.Env {
		if strings.Contains(v, "=") {
			c.Env = append(c.Env, v)
		}
	}
	if account, err := launch.LookUpUser(app.Limits.User, app.Limits.Group); err == nil && account != nil {
		c.Credential = &syscall.Credential{Uid: uint32(account.UID), Gid: uint32(account.GID)}
		for _, id := range account.Groups {
			c.Credential.Groups = append(c.Credential.Groups, uint32(id))
		}
	}
	return c
}
