package master

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"relevo/internal/config"
	"relevo/internal/decide"
	"relevo/internal/succession"
	"relevo/watch"
)

// selfWatch replaces the master when the bytes of its own program change, if the configuration
// wants that.
type selfWatch struct {
	app        func() config.App
	changed    func() <-chan struct{}
	succession *succession.Succession
	replace    func() bool // starts a succession if the program has changed; returns true if the successor takes over
	log        *slog.Logger
}

func (s selfWatch) run(ctx context.Context) {
	for ctx.Err() == nil {
		changed := s.changed()
		if !s.app().WatchSelf {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		s.until(ctx, changed)
	}
}

func (s selfWatch) until(ctx context.Context, changed <-chan struct{}) {
	path, err := succession.Program()
	var file *watch.File
	if err == nil {
		file, err = watch.New(watch.Options{Path: path, Log: s.log})
	}
	if err != nil {
		s.log.Warn("relevo itself is not watched", "err", err)
		select {
		case <-ctx.Done():
		case <-changed:
		}
		return
	}
	if sum, err := s.succession.Running(); err == nil {
		file.SetActive(sum)
	}
	watching, stop := context.WithCancel(ctx)
	var gone sync.WaitGroup
	gone.Go(func() { report(s.log, file.Run(watching)) })
	defer gone.Wait()
	defer stop()
	var when decide.Self
	var later <-chan time.Time // nil: no attempt is planned
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			if !s.app().WatchSelf {
				return
			}
			changed = s.changed()
		case <-file.Changes():
			s.log.Info("relevo itself has changed", "path", path)
			later = s.renew(&when, decide.SelfChanged)
		case <-later:
			later = s.renew(&when, decide.SelfRang)
		}
	}
}

// renew replaces the master by its own program if that is due. It returns when the next attempt is
// due; nil: there is none.
func (s selfWatch) renew(when *decide.Self, e decide.SelfEvent) (later <-chan time.Time) {
	next := when.Step(e)
	if next.Replace {
		next = when.Step(s.try())
	}
	if next.Later == 0 {
		return nil
	}
	s.log.Warn("the master is replaced later", "again", next.Later)
	return time.After(next.Later)
}

// try attempts the replacement and returns its result.
func (s selfWatch) try() decide.SelfEvent {
	if s.replace() {
		return decide.SelfReplaced
	}
	if changed, err := s.succession.ProgramChanged(); err == nil && !changed {
		return decide.SelfSame
	}
	return decide.SelfRefused
}
