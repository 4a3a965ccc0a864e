package master

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"relevo/internal/generations"
	"relevo/pool"
	"relevo/watch"
)

// binaryWatch requests a roll when the bytes of the executable change. A reload may name another
// executable, or turn the watch off.
type binaryWatch struct {
	log         *slog.Logger
	changed     func() <-chan struct{} // closed when another generation serves
	generations *generations.Generations
	tell        func(bytesChanged)
}

func (b binaryWatch) run(ctx context.Context) {
	for ctx.Err() == nil {
		changed := b.changed()
		b.watchFile(ctx, b.toWatch(), changed)
	}
}

// toWatch is what to watch; the zero value: nothing.
func (b binaryWatch) toWatch() watched {
	if !b.generations.Serving().App().WatchBinary {
		return watched{}
	}
	serving := b.generations.Serving()
	return watched{path: serving.Source(), ways: strings.Join(serving.Ways(), "\x00"), command: serving.Fingerprint()}
}

// watched is what to watch, and for which command.
type watched struct{ path, ways, command string }

// watchFile returns when another file may have to be watched. If the file cannot be watched, the
// master serves all the same: signals and commands still roll.
func (b binaryWatch) watchFile(ctx context.Context, what watched, changed <-chan struct{}) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	var changes <-chan watch.Change
	if what.path != "" {
		serving := b.generations.Serving()
		file, err := watch.New(watch.Options{Path: what.path, Ways: serving.Ways(), Name: serving.Name,
			SumOf: serving.SumOf, Script: serving.Interpreted(), Log: b.log})
		if err != nil {
			b.log.Warn("the executable is not watched", "err", err)
		} else {
			// A change since the release was prepared counts, too.
			file.SetActive(b.generations.LastLook())
			var gone sync.WaitGroup
			gone.Go(func() { report(b.log, file.Run(watching)) })
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
			if b.toWatch() == what {
				changed = b.changed()
				continue
			}
			return
		case change := <-changes:
			b.bytesChanged(change)
		}
	}
}

// bytesChanged reports new bytes, and whether they have failed before.
func (b binaryWatch) bytesChanged(change watch.Change) {
	found := pool.Info{Path: change.Path, SHA256: change.Name}
	b.tell(bytesChanged{change, b.generations.BadReason(found, b.generations.Serving().Fingerprint())})
}
