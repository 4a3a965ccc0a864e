package master

import (
	"context"
	"sync"

	"relevo/watch"
)

// watch asks for a roll when the bytes of the executable change. Without a watch
// the master serves all the same: a signal or a command still rolls.
func (m *Master) watch(ctx context.Context) {
	if !m.opts.App.WatchBinary {
		return
	}
	file, err := watch.New(watch.Options{Path: m.watched, Log: m.log})
	if err != nil {
		m.log.Warn("the executable is not watched", "err", err)
		return
	}
	// What changed since the first release was prepared is a change, too.
	file.SetActive(m.prepared.last())
	var watching sync.WaitGroup
	watching.Go(func() { m.report(file.Run(ctx)) })
	defer watching.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case change := <-file.Changes():
			// Bytes that a signal or a command has rolled to, or tried to, are
			// no news.
			if change.SHA256 != m.prepared.last() {
				m.requestReload("the bytes of " + change.Path + " changed")
			}
		}
	}
}

// preparation keeps two releases from being prepared at the same time, and knows
// which bytes were prepared last.
type preparation struct {
	mu  sync.Mutex
	sum string // sha256 of the executable
}

func (p *preparation) last() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sum
}
