package main

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"time"

	"relevo/bench/figures"
	"relevo/internal/procfs"
)

// fault is something bad, or daring, that is done to a peer.
type fault struct {
	name string
	do   func(context.Context, *service) error
}

var theFaults = []fault{
	{"a bad release is rolled", func(ctx context.Context, s *service) error {
		if err := s.deploy(s.peer.app.bad); err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, s.kit.plan.watch/2)
		defer cancel()
		_ = s.roll(limited) // it is said to fail, or does not end
		return nil
	}},
	{"SIGKILL of one process", func(ctx context.Context, s *service) error {
		pid, err := ask(ctx, s.address)
		if err != nil {
			return nil // the watch sees that
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	}},
	{"SIGKILL of the manager", func(_ context.Context, s *service) error {
		return syscall.Kill(s.manager(), syscall.SIGKILL)
	}},
	{"the manager is replaced", func(ctx context.Context, s *service) error {
		limited, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return s.renew(limited)
	}},
}

// replacedIn is the column of the time until a killed process has a successor that serves.
const replacedIn = "SIGKILL of one process → four serve"

// faults measures outages: the longest time without an answer for a client that asks again and
// again on new connections.
func faults(ctx context.Context, k *kit) (*result, error) {
	columns := make([]column, 0, len(theFaults)+1)
	for _, f := range theFaults {
		columns = append(columns, column{f.name, "%.0f ms", true})
	}
	columns = append(columns, column{replacedIn, "%.0f ms", false})
	r := newResult("Faults", "The longest time without an answer that a client sees which makes one connection after the "+
		"other. *≥* means that it had not ended when the watch did; who repairs it then is another program, or a human.",
		columns...)
	return r, turns(k.plan.rounds, k.found(), func(p peer) error {
		for _, f := range theFaults {
			s, err := k.launch(ctx, p)
			if s == nil {
				return r.once(p.name, err)
			}
			r.learn(ctx, s)
			err = r.suffered(ctx, s, f)
			if err = errors.Join(err, s.stop()); err != nil {
				r.note(p.name, f.name, "failed: "+firstLine(err))
			}
		}
		return r.replaced(ctx, k, p)
	})
}

func (r *result) suffered(ctx context.Context, s *service, f fault) error {
	o, err := s.watch(ctx, s.kit.plan.watch, func() error { return f.do(ctx, s) })
	if err != nil {
		return err
	}
	if o.open {
		r.note(s.peer.name, f.name, o.text())
	}
	r.add(s.peer.name, f.name, figures.Milliseconds(o.longest))
	return nil
}

// replaced measures how long it takes until a killed process has a successor.
func (r *result) replaced(ctx context.Context, k *kit, p peer) error {
	s, err := k.launch(ctx, p)
	if err != nil {
		return err
	}
	before, err := s.awaitAll(ctx)
	if err != nil {
		return errors.Join(err, s.stop())
	}
	pid, err := ask(ctx, s.address)
	if err != nil {
		return errors.Join(err, s.stop())
	}
	limited, cancel := context.WithTimeout(ctx, k.plan.watch)
	defer cancel()
	begin := time.Now()
	syscall.Kill(pid, syscall.SIGKILL)
	if err := s.awaitSome(limited, before); err != nil {
		r.note(p.name, replacedIn, "it is not replaced")
	} else {
		r.add(p.name, replacedIn, figures.Milliseconds(time.Since(begin)))
	}
	return s.stop()
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// masterOf finds the master of an app that runs in the background.
func masterOf(s *service) int {
	for _, pid := range procfs.Eldest(procfs.StartedWith(idVariable, s.port())) {
		if name, _ := procfs.Of(pid).Status("Name"); strings.HasPrefix(name, "relevo") {
			return pid
		}
	}
	return 0
}
