package worker

import "relevo/internal/ipc"

// State is the pool as the master announces it to this worker.
type State struct {
	Slot       int    `json:"slot"`       // of this worker
	Generation int    `json:"generation"` // of this worker
	Workers    []Peer `json:"workers"`    // all workers of the pool, this one included
}

// Peer is one worker of the pool.
type Peer struct {
	Slot       int    `json:"slot"` // two workers share a slot while one replaces the other
	ID         string `json:"id"`   // unique in the life of the app
	PID        int    `json:"pid"`  // as the master sees it
	Generation int    `json:"generation"`
	// State is a word of relevo status: "starting", "serving", "draining",
	// "stopping" or "killing". A newer master may use further words.
	State string `json:"state"`
}

func stateOf(m ipc.State) State {
	s := State{Slot: m.Slot, Generation: m.Generation, Workers: make([]Peer, len(m.Workers))}
	for i, p := range m.Workers {
		s.Workers[i] = Peer(p)
	}
	return s
}
