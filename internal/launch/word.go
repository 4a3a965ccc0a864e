package launch

import "relevo/pool"

// earlyWord is the hint while a worker's word does not count yet.
const earlyWord = "it has said that it is ready, and has accepted no connection so far; " +
	"--ready notify, or --ready ipc, takes its word"

// saidReady takes a worker's own word that it is ready. From a program that bound its port
// itself it counts only when the program accepts there, too: gunicorn says READY=1 when it
// listens, and the process that is to accept may still fail to start. Clients that were sent
// there meanwhile would be lost with it.
func (p *Process) saidReady(how string) {
	if p.ready.guesses() && p.binder.holdBack(how) {
		p.sink(pool.Obstructed{Hint: earlyWord})
		p.sink(pool.Persist{Done: func() {}}) // it is said once: the next master has to know of it
		return
	}
	p.isReady(how)
}

// holdBack keeps the worker's word until it has accepted a connection on its own sockets. It
// returns false if there is no need to.
func (b *binder) holdBack(how string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.own || b.accepts {
		return false
	}
	b.word = how
	return true
}

// accepted says that the worker accepts on all of its own sockets. It returns how the worker
// has said before that it is ready; empty: it has not.
func (b *binder) accepted() (word string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.accepts = true
	word, b.word = b.word, ""
	return word
}
