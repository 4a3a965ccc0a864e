package master

import (
	"relevo/internal/generations"
	"relevo/internal/succession"
)

// boot is the state that a master needs until a worker serves for the first time. It is part of the
// legacy. The stage knows how far the start has come.
type boot struct {
	sockets   *generations.Hold           // of the first configuration: a start that fails must not close them
	unadopted succession.UnadoptedWorkers // they serve until a worker of this master does
}

// missing names what a start needs and does not have.
func (b *boot) missing(served bool) []string {
	if b.sockets == nil && !served {
		return []string{"first sockets"}
	}
	return nil
}
