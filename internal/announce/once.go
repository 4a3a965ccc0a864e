package announce

import "sync"

// Once remembers what was logged, up to mostTold things. The zero value works.
type Once struct {
	mu   sync.Mutex
	told map[string]bool
}

// mostTold is how many different things one Once allows to be logged.
const mostTold = 100

// First says whether something is to be logged now, because it is the first time.
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
