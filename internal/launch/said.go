package launch

import (
	"fmt"
	"strings"
	"time"

	"relevo/internal/config"
	"relevo/internal/ipc"
	"relevo/internal/printable"
	"relevo/pool"
)

// said takes a message from the channel. An early message waits, which holds up only its
// worker.
func (p *Process) said(m ipc.Message) {
	<-p.launched
	if p.isSilent() {
		return
	}
	m, left := p.saidByNode(m)
	if !left {
		return
	}
	p.ready.speaks(m)
	if _, hello := m.(ipc.Hello); hello {
		p.greeted.Store(true)
	}
	if _, ready := m.(ipc.Ready); ready {
		if p.ready.takes(config.ReadyIPC) {
			p.isReady(byIPC)
		}
		return
	}
	if status, ok := m.(ipc.Status); ok {
		m = ipc.Status{Text: clip(status.Text)}
	}
	p.sink(pool.Said{Message: m})
}

// How a worker says by itself that it is ready.
const (
	byNotify = "notify"
	byIPC    = "ipc"
)

// maxStatus is the most of a status line that is kept, in bytes.
const maxStatus = 1024

// clip makes one line of a text and cuts it between two characters.
func clip(text string) string {
	return cutText(printable.Line(text[:min(len(text), 4*maxStatus)]), maxStatus)
}

func cutText(text string, width int) string {
	if len(text) > width {
		return strings.ToValidUTF8(text[:width], "·")
	}
	return text
}

// overflowed takes in that the worker says too much on its channel, which is read
// no faster for that.
func (p *Process) overflowed(f ipc.Flood) {
	p.sink(pool.Flooding{What: fmt.Sprintf("channel, %d messages over the limit", f.Count)})
}

// floodPatience is how long a worker may flood the notify socket without a pause.
// A channel needs none: its flood holds up the worker alone.
const floodPatience = 10 * time.Second

func (p *Process) flooded(f ipc.Flood) {
	p.notifying.Lock()
	defer p.notifying.Unlock()
	if p.ended || !p.begun {
		return
	}
	p.sink(pool.Flooding{What: fmt.Sprintf("notify socket, %d datagrams dropped", f.Count)})
	if f.For >= floodPatience {
		p.sink(pool.Hung{Reason: "floods the notify socket"})
	}
}

// slowlyClosed has a worker replaced that sends descriptors whose close blocks.
func (p *Process) slowlyClosed() {
	p.notifying.Lock()
	defer p.notifying.Unlock()
	if p.ended || !p.begun {
		return
	}
	p.sink(pool.Hung{Reason: "sends descriptors to the notify socket that do not close"})
}

// maxEarly is how many notifications are kept for a process in its first moment.
const maxEarly = 100

// silence makes the master ignore everything that the worker says from now on.
func (p *Process) silence() {
	p.notifying.Lock()
	defer p.notifying.Unlock()
	p.ended = true
}

func (p *Process) isSilent() bool {
	p.notifying.Lock()
	defer p.notifying.Unlock()
	return p.ended
}

// tellEarly tells what was notified before it was sure that this is a worker.
func (p *Process) tellEarly() {
	p.notifying.Lock()
	defer p.notifying.Unlock()
	p.begun = true
	for _, n := range p.early {
		p.tellNotified(n)
	}
	p.early = nil
}

// notified takes a datagram of the notify socket. One that is read only after
// the worker's death is too late: Exited is told last.
func (p *Process) notified(n ipc.Notification) {
	p.notifying.Lock()
	defer p.notifying.Unlock()
	if !p.begun {
		if len(p.early) < maxEarly {
			p.early = append(p.early, essence(n))
		}
		return
	}
	p.tellNotified(n)
}

// essence is what of a notification counts, cut to its size: it may have to wait.
func essence(n ipc.Notification) ipc.Notification {
	kept := ipc.Notification{}
	for _, name := range []string{"STATUS", "READY", "WATCHDOG", "STOPPING"} {
		if value, ok := n[name]; ok {
			kept[name] = strings.Clone(clip(value))
		}
	}
	return kept
}

func (p *Process) tellNotified(n ipc.Notification) {
	if p.ended {
		return
	}
	p.ready.speaks(nil)
	if text, ok := n["STATUS"]; ok {
		p.sink(pool.Said{Message: ipc.Status{Text: clip(text)}})
	}
	if n["READY"] == "1" && p.ready.takes(config.ReadyNotify) {
		p.isReady(byNotify)
	}
	switch n["WATCHDOG"] {
	case "1":
		p.sink(pool.Alive{})
	case "trigger":
		p.sink(pool.Hung{Reason: "said WATCHDOG=trigger"})
	}
	if n["STOPPING"] == "1" {
		p.sink(pool.Said{Message: ipc.Draining{}})
	}
}
