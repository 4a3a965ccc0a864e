package pool

// loadAlarm waits for a load that a worker reports.
type loadAlarm struct {
	above float64
	rings chan struct{} // closed when one was reported; nil: no caller waits
}

// LoadAbove returns a channel that is closed when a worker reports a load above a limit, or has
// done so already. It is for one caller: the channel of an earlier call stays open.
func (p *Pool) LoadAbove(limit float64) (<-chan struct{}, error) {
	rings := make(chan struct{})
	err := p.call(func() {
		p.loads = loadAlarm{limit, rings}
		for _, m := range p.members {
			p.loads.hear(m.load)
		}
	})
	return rings, err
}

func (a *loadAlarm) hear(load *float64) {
	if a.rings != nil && load != nil && *load > a.above {
		close(a.rings)
		a.rings = nil
	}
}
