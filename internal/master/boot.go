package master

import (
	"relevo/internal/generations"
	"relevo/internal/succession"
)

// boot is what a master has until a worker serves for the first time. It passes to a successor
// like everything else. How far the start has come says the stage.
type boot struct {
	sockets   *generations.Hold           // the first configuration's: a start that fails must not close them
	unadopted succession.UnadoptedWorkers // serve until a worker of this master does
}

// missing names what a start needs until its end.
func (b *boot) missing(served bool) []string {
	if b.sockets == nil && !served {
		return []string{"first sockets"}
	}
	return nil
}
