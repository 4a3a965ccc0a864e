package master

import (
	"context"
	"sync"

	"relevo/internal/succession"
	"relevo/watch"
)

// watchSelf replaces the master when the bytes of its own program change, if the
// configuration wants that.
func (m *Master) watchSelf(ctx context.Context) {
	for ctx.Err() == nil {
		changed := m.changed.wait()
		if !m.app().WatchSelf {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		m.watchSelfUntil(ctx, changed)
	}
}

func (m *Master) watchSelfUntil(ctx context.Context, changed <-chan struct{}) {
	path, err := succession.Program()
	var file *watch.File
	if err == nil {
		file, err = watch.New(watch.Options{Path: path, Log: m.log})
	}
	if err != nil {
		m.log.Warn("relevo itself is not watched", "err", err)
		select {
		case <-ctx.Done():
		case <-changed:
		}
		return
	}
	if sum, err := m.succession.Running(); err == nil {
		file.SetActive(sum)
	}
	watching, stop := context.WithCancel(ctx)
	var gone sync.WaitGroup
	gone.Go(func() { m.report(file.Run(watching)) })
	defer gone.Wait()
	defer stop()
	var later retry
	defer later.end()
	again := make(chan struct{}, 1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			if !m.app().WatchSelf {
				return
			}
			changed = m.changed.wait()
		case <-file.Changes():
			m.log.Info("relevo itself has changed", "path", path)
			later.cancel()
			m.replaceSelf(&later, again)
		case <-again:
			m.replaceSelf(&later, again)
		}
	}
}

// replaceSelf replaces the master by its own program. Where that fails for another reason
// than the program, such as a shortage, it is due again after a while.
func (m *Master) replaceSelf(later *retry, again chan<- struct{}) {
	if m.upgradeFirst("") {
		return
	}
	if changed, err := m.succession.ProgramChanged(); err == nil && !changed {
		return
	}
	wait := later.later(func() {
		select {
		case again <- struct{}{}:
		default:
		}
	})
	m.log.Warn("the master is replaced later", "again", wait)
}
