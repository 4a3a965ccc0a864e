package master

import (
	"context"
	"log/slog"
	"sync"

	"relevo/internal/background"
	"relevo/internal/config"
	"relevo/internal/succession"
	"relevo/watch"
)

// selfWatch replaces the master when the bytes of its own program change, if the
// configuration wants that.
type selfWatch struct {
	app        func() config.App
	changed    func() <-chan struct{}
	succession *succession.Succession
	replace    func() bool // by another program than the running one; says whether that goes on
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
	var later background.Retry
	defer later.End()
	again := make(chan struct{}, 1)
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
			later.Cancel()
			s.renew(&later, again)
		case <-again:
			s.renew(&later, again)
		}
	}
}

// renew replaces the master by its own program. Where that fails for another reason
// than the program, such as a shortage, it is due again after a while.
func (s selfWatch) renew(later *background.Retry, again chan<- struct{}) {
	if s.replace() {
		return
	}
	if changed, err := s.succession.ProgramChanged(); err == nil && !changed {
		return
	}
	wait := later.Later(func() {
		select {
		case again <- struct{}{}:
		default:
		}
	})
	s.log.Warn("the master is replaced later", "again", wait)
}
