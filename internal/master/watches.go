package master

import (
	"context"

	"relevo/internal/launch"
)

// watches are the loops beside the pool, each of which runs until its context ends.
func (m *Master) watches() []func(context.Context) {
	binary := binaryWatch{m.log, m.changed.Wait, m.generations, func(c bytesChanged) { m.box.post(c) }}
	memory := memoryWatch{m.app, m.changed.Wait, m.tended, launch.Memory, m.log}
	self := selfWatch{m.app, m.changed.Wait, m.succession, func() bool { return m.upgradeFirst("") }, m.log}
	return []func(context.Context){binary.run, memory.run, m.health.Run, m.scaler.Run, m.sleeper.Run, m.clock().run,
		self.run, m.exporter().Run}
}
