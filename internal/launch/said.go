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

// said takes a message from the channel. A message that comes before Online waits here: the
// channel is not read meanwhile, which holds up only this worker.
func (p *Process) said(m ipc.Message) {
	<-p.told
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
			p.saidReady(byIPC)
		}
		return
	}
	if status, ok := m.(ipc.Status); ok {
		m = ipc.Status{Text: clip(status.Text)}
	}
	p.sink(pool.Said{Message: m})
}

// The ways in which a worker says by itself that it is ready.
const (
	byNotify = "notify"
	byIPC    = "ipc"
)

// maxStatus is the length to which a status line is cut, in bytes.
const maxStatus = 1024

// clip makes one line of a text and cuts it to maxStatus, between two characters.
func clip(text string) string {
	return cutText(printable.Line(text[:min(len(text), 4*maxStatus)]), maxStatus)
}

func cutText(text string, width int) string {
	if len(text) > width {
		return strings.ToValidUTF8(text[:width], "·")
	}
	return text
}

// overflowed reports that the worker sends more messages than its channel is read for.
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

// slowlyClosed has the worker replaced, because it sends descriptors whose close blocks.
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

// tellEarly reports the notifications that came before Online.
func (p *Process) tellEarly() {
	p.notifying.Lock()
	defer p.notifying.Unlock()
	p.begun = true
	for _, n := range p.early {
		p.tellNotified(n)
	}
	p.early = nil
}

// notified takes a datagram of the notify socket. A datagram that is read after the
// worker's end is dropped, because Exited is the last report.
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

// essence returns the variables of a notification that are used, cut to their maximal
// length, because the notification may be kept for a while.
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
		p.saidReady(byNotify)
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
