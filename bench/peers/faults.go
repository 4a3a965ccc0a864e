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

// fault is something bad, or daring, that is done to a peer. It returns errNone where the peer
// has nothing that it could be done to.
type fault struct {
	name string
	do   func(context.Context, *service, *result) error
}

// errNone says that a peer has no manager to kill or to replace.
var errNone = errors.New("there is none")

var theFaults = []fault{
	{"a bad release is rolled", func(ctx context.Context, s *service, _ *result) error {
		if err := s.deploy(s.peer.app.bad); err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, s.kit.plan.watch/2)
		defer cancel()
		_ = s.roll(limited) // it is said to fail, or does not end
		return nil
	}},
	{"SIGKILL of one process", killOne},
	{"SIGKILL of the manager", func(_ context.Context, s *service, _ *result) error {
		if s.manager == nil {
			return errNone
		}
		return syscall.Kill(s.manager(), syscall.SIGKILL)
	}},
	{"the manager is replaced", func(ctx context.Context, s *service, _ *result) error {
		limited, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return s.renew(limited)
	}},
}

// replacedIn is the column of the time until a killed process has a successor that serves.
const replacedIn = "SIGKILL of one process → its successor serves"

// killOne kills a process, and measures how long it takes until a new one answers.
func killOne(ctx context.Context, s *service, r *result) error {
	pid, err := ask(ctx, s.address)
	if err != nil {
		return err
	}
	if s.outside != nil {
		if pid = s.outside(pid); pid == 0 {
			return errors.New("cannot find the process that has answered")
		}
	}
	limited, cancel := context.WithTimeout(ctx, s.kit.plan.watch)
	defer cancel()
	begin := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	if err := s.awaitSome(limited, s.serving); err != nil {
		r.note(s.peer.name, replacedIn, "it is not replaced")
		return nil
	}
	r.add(s.peer.name, replacedIn, figures.Milliseconds(time.Since(begin)))
	return nil
}

// faults measures outages: the longest time without an answer for a client that asks again and
// again on new connections.
func faults(ctx context.Context, k *kit) (*result, error) {
	columns := make([]column, 0, len(theFaults)+1)
	for _, f := range theFaults {
		columns = append(columns, column{Name: f.name, Format: "%.0f ms", Plot: true})
	}
	r := newResult(k.plan.rounds, append(columns, column{Name: replacedIn, Format: "%.0f ms"})...)
	return r, turns(ctx, k, r, k.found(), func(p peer) error {
		for _, f := range theFaults {
			s, err := k.launch(ctx, p)
			if err != nil {
				return err
			}
			r.learn(ctx, s)
			err = r.suffered(ctx, s, f)
			if err = errors.Join(err, s.stop()); err != nil {
				r.note(p.name, f.name, "failed: "+firstLine(err))
			}
		}
		return nil
	})
}

func (r *result) suffered(ctx context.Context, s *service, f fault) error {
	o, err := s.watch(ctx, s.kit.plan.watch, func() error { return f.do(ctx, s, r) })
	switch {
	case errors.Is(err, errNone):
		r.note(s.peer.name, f.name, errNone.Error())
	case err != nil:
		return err
	case o.open:
		r.note(s.peer.name, f.name, o.text())
	default:
		r.add(s.peer.name, f.name, figures.Milliseconds(o.longest))
	}
	return nil
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
