package sleeper

import (
	"net/netip"
	"slices"
	"time"

	"relevo/internal/launch"
	"relevo/internal/procnet"
	"relevo/internal/sleep"
	"relevo/internal/sockdiag"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/upgrader/listeners"
)

// meter remembers what it needs of the last look.
type meter struct {
	o     Options
	usage sleep.Usage
	told  bool // that connections cannot be seen
}

// mostly is the load above which one that relevo has measured itself is work. Less than that may be
// health checks, and the program's timers.
const mostly = 0.5

// sample looks at everything but clients that have come and gone.
func (m *meter) sample(now time.Time, status pool.Status, idle time.Duration) sleep.Sample {
	s := sleep.Sample{Held: held(status), Waiting: m.o.Listeners().Queues().Waiting}
	s.Open = m.open(m.o.Listeners().Listeners(), idle)
	for _, w := range status.Workers {
		if w.Load != nil && (!w.LoadMeasured || *w.Load > mostly) {
			s.Said = max(s.Said, *w.Load)
		}
	}
	s.CPU = m.processors(now, status.Workers, idle)
	return s
}

// held says whether the pool may not sleep: a roll is under way, or a worker does not serve.
func held(status pool.Status) bool {
	serves := func(w pool.Worker) bool { return w.State == string(machine.Serving) }
	return status.State != string(machine.Running) || status.Rolling != nil || status.Canary != nil ||
		slices.ContainsFunc(status.Workers, func(w pool.Worker) bool { return !serves(w) })
}

// processors is how many the workers use.
func (m *meter) processors(now time.Time, workers []pool.Worker, idle time.Duration) float64 {
	total := map[string]time.Duration{}
	for _, w := range workers {
		if used, err := launch.PlaceOf(w.PID).CPU(); err == nil { // else it has ended
			total[w.ID] = used
		}
	}
	return m.usage.Processors(now, idle, total)
}

// open counts the connections in use at the listeners. If they cannot be seen, one counts.
func (m *meter) open(sockets []*listeners.Listener, idle time.Duration) (n int) {
	var ports []uint16
	for _, l := range sockets {
		if l.Network.IsUnix() {
			n += procnet.UnixClients(l.Inode())
		} else if at, err := netip.ParseAddrPort(l.Address); err == nil && l.IsTCP() {
			ports = append(ports, at.Port())
		}
	}
	if len(ports) == 0 {
		return n
	}
	connections, err := sockdiag.Established(ports)
	if err != nil {
		if !m.told {
			m.o.Log.Warn("workers stay although no client comes: connections cannot be seen", "err", err)
		}
		m.told = true
		return n + 1
	}
	for _, c := range connections {
		of := sleep.Connection{Unread: c.Unread, Unsent: c.Unsent, Received: c.Received, Sent: c.Sent,
			SinceSent:     time.Duration(c.SinceSent) * time.Millisecond,
			SinceReceived: time.Duration(c.SinceReceived) * time.Millisecond}
		if of.InUse(idle) {
			n++
		}
	}
	return n
}
