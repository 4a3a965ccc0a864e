package master

import (
	"context"
	"fmt"
	"time"

	"relevo/internal/launch"
	"relevo/pool/machine"
)

// memoryEvery is the pause between two looks at the workers' memory.
const memoryEvery = 5 * time.Second

// watchMemory asks for the replacement of workers that have grown beyond
// max_memory. Without that limit it only waits for one.
func (m *Master) watchMemory(ctx context.Context) {
	for {
		changed := m.changed.wait()
		var look <-chan time.Time
		var timer *time.Timer
		if m.app().Limits.MaxMemory > 0 {
			timer = time.NewTimer(memoryEvery)
			look = timer.C
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-look:
			m.lookAtMemory()
		}
		if timer != nil {
			timer.Stop()
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func (m *Master) lookAtMemory() {
	status, err := m.running().Status()
	if err != nil {
		return // it stops
	}
	limit := m.app().Limits.MaxMemory
	for _, w := range status.Workers {
		if w.State != string(machine.Serving) {
			continue
		}
		used, err := launch.Memory(w.PID)
		if err != nil || used <= limit {
			continue // it may have gone by now
		}
		reason := fmt.Sprintf("uses %d MiB, max_memory is %d MiB", used>>20, limit>>20)
		if err := m.running().Recycle(w.ID, reason); err != nil {
			m.log.Debug("not recycled", "worker", w.ID, "err", err)
		}
	}
}
