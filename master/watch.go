package master

import (
	"context"
	"sync"

	"relevo/pool"
	"relevo/watch"
)

// watch asks for a roll when the bytes of the executable change. The
// configuration may name another one at any time, or ask for none to be watched.
func (m *Master) watch(ctx context.Context) {
	for ctx.Err() == nil {
		changed := m.changed.wait()
		path := ""
		if m.app().WatchBinary {
			path = m.serving().Source()
		}
		m.watchFile(ctx, path, changed)
	}
}

// watchFile returns when another file may have to be watched. Without a watch the
// master serves all the same: a signal or a command still rolls.
func (m *Master) watchFile(ctx context.Context, path string, changed <-chan struct{}) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var changes <-chan watch.Change
	if path != "" {
		file, err := watch.New(watch.Options{Path: path, Log: m.log})
		if err != nil {
			m.log.Warn("the executable is not watched", "err", err)
		} else {
			// What changed since the release was prepared is a change, too.
			file.SetActive(m.lastLook())
			var gone sync.WaitGroup
			gone.Go(func() { m.report(file.Run(watching)) })
			defer gone.Wait()
			defer stop()
			changes = file.Changes()
		}
	}
	for {
		select {
		case <-watching.Done():
			return
		case <-changed:
			if m.watchesStill(path) {
				changed = m.changed.wait()
				continue
			}
			return
		case change := <-changes:
			m.bytesChanged(change)
		}
	}
}

func (m *Master) watchesStill(path string) bool {
	return m.app().WatchBinary == (path != "") && (path == "" || m.serving().Source() == path)
}

// bytesChanged asks for a roll to new bytes. Those that a signal or a command has
// rolled to, or tried to, are no news, and those that failed are not tried again.
func (m *Master) bytesChanged(change watch.Change) {
	if change.SHA256 == m.lastLook() {
		return
	}
	known := pool.Info{Path: change.Path, SHA256: change.SHA256}
	if reason := m.badReason(known, m.serving().fingerprint); reason != "" {
		m.log.Warn("not rolled to the new bytes: relevo reload --force tries them again", "reason", reason)
		return
	}
	m.requestRoll("the bytes of " + change.Path + " changed")
}

// looked notes which bytes the command's file held when it was looked at last.
func (m *Master) looked(g *generation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastSum = g.Info().SHA256
}

func (m *Master) lastLook() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lastSum
}
