package exporter

import (
	"net"
	"sync"
)

// Place is where metrics are served now. A master tells it to the next one, so that a port that the
// configuration leaves to the kernel (127.0.0.1:0) stays the same over an upgrade. The zero value is
// no place.
type Place struct {
	mu sync.Mutex
	is Legacy
}

// Legacy is what a Place is to the next master.
type Legacy struct {
	Wanted string // the address of the configuration
	Served string // with the port that the kernel chose
}

// Legacy returns the place.
func (p *Place) Legacy() Legacy {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.is
}

// TakeOver sets the place of the previous master, whose socket is closed or soon will be.
func (p *Place) TakeOver(l Legacy) { p.set(l.Wanted, l.Served) }

func (p *Place) set(wanted, served string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.is = Legacy{wanted, served}
}

// of returns the address to listen at for an address of the configuration.
func (p *Place) of(wanted string) string {
	is := p.Legacy()
	if _, port, err := net.SplitHostPort(wanted); err == nil && port == "0" && is.Wanted == wanted && is.Served != "" {
		return is.Served
	}
	return wanted
}
