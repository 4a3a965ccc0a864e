package master

import "sync"

// tellOnce remembers what was told, as far as that is worth it. The zero value works.
type tellOnce struct {
	mu   sync.Mutex
	told map[string]bool
}

// mostTold bounds what is told by way of one tellOnce.
const mostTold = 100

// first says whether something is to be told now.
func (o *tellOnce) first(what string) bool {
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
