package master

import (
	"context"
	"strings"
	"sync"

	"relevo/internal/announce"
	"relevo/internal/generations"
	"relevo/pool"
	"relevo/watch"
)

// watch asks for a roll when the bytes of the executable change. The
// configuration may name another one at any time, or ask for none to be watched.
func (m *Master) watch(ctx context.Context) {
	for ctx.Err() == nil {
		changed := m.changed.wait()
		m.watchFile(ctx, m.toWatch(), changed)
	}
}

// toWatch is what a watch is about, the zero value where there is to be none.
func (m *Master) toWatch() watched {
	if !m.app().WatchBinary {
		return watched{}
	}
	serving := m.serving()
	return watched{path: serving.Source(), ways: strings.Join(serving.Ways(), "\x00"), command: serving.Fingerprint()}
}

// watched says what is watched, and for which command.
type watched struct{ path, ways, command string }

// watchFile returns when another file may have to be watched. Without a watch the
// master serves all the same: a signal or a command still rolls.
func (m *Master) watchFile(ctx context.Context, what watched, changed <-chan struct{}) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var changes <-chan watch.Change
	if what.path != "" {
		serving := m.serving()
		file, err := watch.New(watch.Options{Path: what.path, Ways: serving.Ways(), Name: serving.Name,
			Script: serving.Interpreted(), Log: m.log})
		if err != nil {
			m.log.Warn("the executable is not watched", "err", err)
		} else {
			// What changed since the release was prepared is a change, too.
			file.SetActive(m.generations.LastLook())
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
			if m.toWatch() == what {
				changed = m.changed.wait()
				continue
			}
			return
		case change := <-changes:
			m.bytesChanged(change)
		}
	}
}

// bytesChanged asks for a roll to new bytes. Those that a signal or a command has
// rolled to, or tried to, are no news, and those that failed are not tried again.
func (m *Master) bytesChanged(change watch.Change) {
	m.retry.cancel()
	if change.Name == m.generations.LastLook() {
		m.announcer.Warnings.Set(announce.WatchWarning, "")
		return
	}
	known := pool.Info{Path: change.Path, SHA256: change.Name}
	if reason := m.generations.BadReason(known, m.serving().Fingerprint()); reason != "" {
		m.log.Warn("not rolled to the new bytes: relevo reload --force tries them again", "reason", reason)
		return
	}
	cause := "the bytes of " + change.Path + " changed"
	if change.Name != change.SHA256 {
		cause = change.Path + " changed, or the directory that it lies in"
	}
	m.requestRoll(cause)
}

// looked notes which bytes the command's file held when it was looked at last.
func (m *Master) looked(g *generations.Generation) {
	m.retry.stop()
	m.announcer.Warnings.Set(announce.WatchWarning, "")
	m.generations.Looked(g)
}
