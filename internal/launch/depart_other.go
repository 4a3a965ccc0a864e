//go:build !linux

package launch

import (
	"os"

	"relevo/pool"
)

// depart is not called: only Linux can capture connections.
func (p *Process) depart() {}

// handover does not exist on systems without capture.
type handover struct{ done chan struct{} }

func (*handover) finish() {}

type keptConnections struct{ keeper Keeper }

func (*keptConnections) await(int) {}

func (*keptConnections) together() <-chan struct{} { return nil }

// Connections returns none: only Linux keeps connections.
func (l *Launcher) Connections() map[string]*os.File { return nil }

// TakeOverConnections has nothing to do: only Linux keeps connections.
func (l *Launcher) TakeOverConnections(map[string]*os.File) {}

func (l *Launcher) claim(*Process, bool) {}

func (l *Launcher) adopted(int, func(pool.Report)) {}
