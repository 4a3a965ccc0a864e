package pool

import (
	"fmt"
	"strconv"
	"time"

	"relevo/pool/machine"
)

// Health is the result of the health checks of a worker, or of a pool.
type Health struct {
	OK    bool      `json:"ok"`
	Fault string    `json:"fault,omitempty"` // what was wrong with the last answer
	At    time.Time `json:"at,omitzero"`     // the last answer
	// Failures counts consecutive failed checks; Out says that the worker gets no new clients
	// because of them.
	Failures int  `json:"failures,omitempty"`
	Out      bool `json:"out,omitempty"`
	// How long answers took: the last one, and the median and the longest of a window.
	LastMS   float64 `json:"last_ms,omitempty"`
	MedianMS float64 `json:"median_ms,omitempty"`
	MaxMS    float64 `json:"max_ms,omitempty"`
}

// Unhealthy reports that a serving worker fails its health check: a canary then fails its
// roll, any other worker is recycled. The error is ErrNoWorker if no worker of that id
// serves.
func (p *Pool) Unhealthy(id, reason string) error {
	return p.serving(id, func(m *member) {
		p.step(machine.Unhealthy{Worker: m.id, Reason: reason})
	})
}

// serving runs do on the loop, if the worker serves.
func (p *Pool) serving(id string, do func(*member)) error {
	found := false
	err := p.changing(func() {
		number, _ := strconv.Atoi(id)
		m := p.members[number]
		if found = m != nil && m.state == machine.Serving; found {
			do(m)
		}
	})
	if err == nil && !found {
		err = fmt.Errorf("cannot replace worker %s: %w that serves", id, ErrNoWorker)
	}
	return err
}

// PublishFor publishes an event of a worker, if that worker still serves.
func (p *Pool) PublishFor(id string, e Event) error {
	return p.serving(id, func(m *member) { p.publishFor(m, e) })
}
