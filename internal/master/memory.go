package master

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"relevo/internal/config"
	"relevo/pool"
	"relevo/pool/machine"
)

// memoryEvery is the pause between two looks at the workers' memory.
const memoryEvery = 5 * time.Second

// tended is the part of a pool that the watches of its workers use.
type tended interface {
	Status() (pool.Status, error)
	Recycle(id string, cause machine.Cause, reason string) error
	Publish(pool.Event)
}

// memoryWatch asks for the replacement of workers that have grown beyond max_memory.
type memoryWatch struct {
	app     func() config.App
	changed func() <-chan struct{}
	pool    func() tended
	used    func(pid int) (int64, error)
	log     *slog.Logger
}

// run looks until ctx ends. Without a limit it only waits for one to be configured.
func (m memoryWatch) run(ctx context.Context) {
	for {
		changed := m.changed()
		var look <-chan time.Time
		var timer *time.Timer
		if m.app().Limits.MaxMemory > 0 && !m.asleep() {
			timer = time.NewTimer(memoryEvery)
			look = timer.C
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-look:
			m.look()
		}
		if timer != nil {
			timer.Stop()
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// asleep says whether there are no workers until a client comes.
func (m memoryWatch) asleep() bool {
	status, err := m.pool().Status()
	return err == nil && !status.Asleep.IsZero()
}

func (m memoryWatch) look() {
	status, err := m.pool().Status()
	if err != nil {
		return // the pool stops
	}
	limit := m.app().Limits.MaxMemory
	for _, w := range status.Workers {
		if w.State != string(machine.Serving) {
			continue
		}
		used, err := m.used(w.PID)
		if err != nil || used <= limit {
			continue // the worker may have ended by now
		}
		reason := fmt.Sprintf("uses %d MiB, max_memory is %d MiB", used>>20, limit>>20)
		if err := m.pool().Recycle(w.ID, machine.CauseMemory, reason); err != nil {
			m.log.Debug("not recycled", "worker", w.ID, "err", err)
		}
	}
}
