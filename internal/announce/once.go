package announce

import "sync"

// Once remembers what was told, as far as that is worth it. The zero value works.
type Once struct {
	mu   sync.Mutex
	told map[string]bool
}

// mostTold bounds what is told by way of one Once.
const mostTold = 100

// First says whether something is to be told now.
func (o *Once) First(what string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.told[what] || len(o.told) == mostTold {
		return false
	}
	if o.told == nil {
		o.told = map[string]bool{}
	}
	o.told[what] = true
	return true
}
