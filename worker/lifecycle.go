package worker

import (
	"time"

	"relevo/internal/ipc"
)

func (p *proc) drainingChan() <-chan struct{} {
	p.mu.Lock()
	p.watched = true
	p.mu.Unlock()
	_, _ = p.open() // the master's request can come from now on; Ready reports a failure
	return p.draining
}

// askedToDrain handles the master's drain message. A program in which nothing
// waits for it gets a signal instead, the one that the master sends to workers
// without a channel.
func (p *proc) askedToDrain(patience time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if isClosed(p.asked) {
		return
	}
	p.patience = patience
	close(p.asked)
	if len(p.serving) > 0 {
		return // they close draining, when they have quiesced
	}
	close(p.draining)
	if !p.watched {
		p.raise()
	}
}

// enter registers a Serve call.
func (p *proc) enter(r *run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serving[r] = 0
}

// leave reports Drained when the last Serve call has ended and none has cut work off.
func (p *proc) leave(r *run, clean bool) {
	p.mu.Lock()
	delete(p.serving, r)
	p.spoiled = p.spoiled || !clean
	drained := len(p.serving) == 0 && isClosed(p.draining) && !p.spoiled
	p.mu.Unlock()
	if drained {
		_ = p.tell(ipc.Drained{}, "") // the exit that follows says the same
	}
}

// quiesced is called when a Serve call has stopped accepting.
func (p *proc) quiesced() {
	p.sockets.closeUnclaimed()
	p.mu.Lock()
	first := !isClosed(p.draining)
	if first {
		close(p.draining)
	}
	p.mu.Unlock()
	if first && p.channelFD < 0 {
		_ = p.tell(nil, "STOPPING=1") // systemd shows it, and needs no answer to it
	}
}

// report tells the master how many connections all Serve calls still hold.
func (p *proc) report(r *run, open int) {
	p.mu.Lock()
	p.serving[r] = open
	sum := 0
	for _, n := range p.serving {
		sum += n
	}
	p.mu.Unlock()
	_ = p.tell(ipc.Draining{Open: sum}, "") // a figure for people
}

// limit returns the time that a drain may take.
func (p *proc) limit(own time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.patience > 0 && own > 0:
		return min(p.patience, own)
	case p.patience > 0:
		return p.patience
	case own > 0:
		return own
	}
	return defaultDrain
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
