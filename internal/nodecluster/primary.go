package nodecluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
)

const (
	// maxServers is how many servers one worker may have open, so that a worker that asks
	// without end does not use up the master's memory.
	maxServers = 64
	// maxKey is the largest name of a server, in bytes. Node puts a path into it.
	maxKey = 8 << 10
	// maxHeld is how much is kept for one worker, in bytes: names of servers, and their
	// shared data.
	maxHeld = 256 << 10
	// maxTries is how often a socket is sent if it does not arrive. Node itself tries
	// three times.
	maxTries = 3
	// maxSharedData is how much data the workers may share for one server, in bytes. Node's
	// TLS servers share 96 digits of ticket keys.
	maxSharedData = 4 << 10
)

// Options are what a Primary needs of its master.
type Options struct {
	// Send queues a line for the worker, with a socket if socket is not nil. It does not
	// block.
	Send func(line []byte, socket *os.File) error
	// Open returns the socket for a query. The Primary does not close it.
	Open func(Query) (*os.File, error)
	// Clash says whether the kernel would refuse one of two servers of a worker while the
	// other listens.
	Clash func(one, other Query) bool
	// Share returns the data that all workers get for a server: the first worker's.
	Share func(key string, data json.RawMessage) json.RawMessage
	// Tell reports an event of the worker. It is called from the goroutine that calls
	// Said.
	Tell func(Event)
}

// Event is something that a worker has done. The set is closed: Listening, Leaving, Sent,
// Preloaded and Clear.
type Event interface{ event() }

// Listening says that a server of the worker listens. It accepts as soon as the worker's event
// loop turns.
type Listening struct{ Query }

// Leaving says that the worker itself has asked to disconnect (worker.disconnect).
type Leaving struct{}

// Sent says that the program has sent a connection or a server with a message
// (process.send). The master does not take it.
type Sent struct{}

func (Listening) event() {}
func (Sent) event()      {}
func (Leaving) event()   {}

// Primary serves one worker. Its methods are safe for concurrent use.
type Primary struct {
	opts Options

	mu            sync.Mutex
	seq           int64
	servers       map[string]json.RawMessage // the open ones by key, with their shared data
	at            map[string]netip.AddrPort  // the addresses of the TCP servers
	waiting       []*delivery                // messages with sockets; the first is on its way
	passed        map[int64]*Passing         // by message: connections that the worker has not answered for
	disconnecting bool                       // it was asked to disconnect

	takesNoMore bool // it takes no more connections: it leaves, or reads no more
}

// delivery is a message with a socket that waits for its turn: Node takes one descriptor at
// a time.
type delivery struct {
	Query Query           `json:"query"`
	Ack   integer         `json:"ack"`
	Key   string          `json:"key"`
	Tries int             `json:"tries,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"` // as the worker has sent it
	// Passed says that the socket is a connection, and not the answer to a query.
	Passed bool `json:"passed,omitempty"`

	socket  *os.File
	passing *Passing // the connection, if this master passes it
}

// Legacy is the state of a Primary, for the next master.
type Legacy struct {
	Seq     int64                      `json:"seq"`
	Servers map[string]json.RawMessage `json:"servers,omitempty"`
	At      map[string]netip.AddrPort  `json:"at,omitempty"`
	Waiting []*delivery                `json:"waiting,omitempty"`
	Leaving bool                       `json:"leaving,omitempty"`
}

// New returns the primary of a worker that starts.
func New(o Options) *Primary {
	return &Primary{opts: o, servers: map[string]json.RawMessage{}, at: map[string]netip.AddrPort{}}
}

// Resume returns the primary of a worker that another master has started.
func Resume(o Options, l Legacy) *Primary {
	p := New(o)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq, p.waiting, p.disconnecting = l.Seq, l.Waiting, l.Leaving
	for key, data := range l.Servers {
		p.servers[key] = o.Share(key, data)
	}
	maps.Copy(p.at, l.At)
	for _, d := range p.waiting {
		if !d.Passed {
			d.socket, _ = o.Open(d.Query) // without a socket the query is refused when its turn comes
		}
	}
	return p
}

// Redeliver sends the first message that waits. The previous master has not sent it.
func (p *Primary) Redeliver() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deliver()
}

// Legacy returns what the next master needs to know.
func (p *Primary) Legacy() Legacy {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := Legacy{Seq: p.seq, Leaving: p.disconnecting, Servers: maps.Clone(p.servers), At: maps.Clone(p.at)}
	for i, d := range p.waiting {
		if i == 0 || !d.Passed { // a connection that was not sent yet stays with the other worker
			l.Waiting = append(l.Waiting, d)
		}
	}
	return l
}

// Said takes a message of the worker. ours says that it belongs to the protocol, and was
// answered. If it contains a message of the program, which was sent with a descriptor, that
// is returned.
func (p *Primary) Said(line []byte) (program json.RawMessage, ours bool) {
	m, ours, err := parse(line)
	switch {
	case !ours || err != nil:
	case m.Cmd == cmdAck:
		p.arrived()
	case m.Cmd == cmdNack:
		p.lost()
	case m.Cmd == cmdHandle:
		if program, _ = TakeSent(line, p.opts.Send); program != nil {
			p.opts.Tell(Sent{})
		}
		return program, true
	case m.Cmd == cmdRelevo:
		p.preloadSaid(m)
	case m.Act == actQuery:
		p.query(m)
	case m.Act == actListening:
		p.opts.Tell(Listening{m.Query})
	case m.Act == actClose:
		p.closed(m.Key)
	case m.Act == "" && m.Ack != nil:
		p.mu.Lock()
		p.taken(int64(*m.Ack), m.Accepted)
		p.mu.Unlock()
	case m.Act == actVoluntary:
		p.send(order{Cmd: cmdCluster, Ack: &m.Seq}, nil)
		p.opts.Tell(Leaving{})
	}
	return nil, ours
}

// Disconnect asks the worker to close its servers, to wait for their connections, and to end
// when it has nothing else to do (cluster.disconnect). A second call does nothing: if asked
// twice, Node would not wait for the connections.
func (p *Primary) Disconnect() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.disconnecting {
		return nil
	}
	p.disconnecting = true
	return p.send(order{Cmd: cmdCluster, Act: actDisconnect, Seq: p.next()}, nil)
}

// query answers the query of a server. A worker waits for the answer forever, so each answer has
// to be sent or to be in the legacy. For that reason Open runs under p.mu; what it reports is
// handled after Said has returned.
func (p *Primary) query(m received) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := &delivery{Query: m.Query, Ack: m.Seq, Key: keyOf(m.Query), Data: m.Data}
	if _, open := p.servers[d.Key]; open && !m.Again || p.clashesWithAwaited(d) {
		p.refuse(d, syscall.EADDRINUSE)
		return
	}
	if errno := p.noRoom(d); errno != 0 {
		p.refuse(d, errno)
		return
	}
	socket, err := p.opts.Open(m.Query)
	if err != nil {
		p.refuse(d, errnoOf(err))
		return
	}
	d.socket = socket
	p.servers[d.Key] = p.share(d.Key, m.Data)
	if address := addressOf(socket); address.IsValid() && !m.Type.Datagram() {
		p.at[d.Key] = address
	}
	if p.waiting = append(p.waiting, d); len(p.waiting) == 1 {
		p.deliver()
	}
}

// clashesWithAwaited says whether a server needs the address of another server, whose socket is
// still on its way to the worker. Open cannot notice that. The caller holds p.mu.
func (p *Primary) clashesWithAwaited(d *delivery) bool {
	return slices.ContainsFunc(p.waiting, func(other *delivery) bool {
		_, open := p.servers[other.Key]
		return open && !other.Passed && other.Key != d.Key && p.opts.Clash(other.Query, d.Query)
	})
}

// noRoom returns an error number if another server would exceed a limit. A closed server counts
// as long as its answer waits. The caller holds p.mu.
func (p *Primary) noRoom(d *delivery) syscall.Errno {
	held := len(d.Key) + len(d.Data)
	for key, data := range p.servers {
		held += len(key) + len(data)
	}
	for _, other := range p.waiting {
		held += len(other.Key) + len(other.Data)
	}
	switch {
	case len(p.servers) >= maxServers, len(p.waiting) >= maxServers:
		return syscall.EMFILE
	case len(d.Key) > maxKey:
		return syscall.ENAMETOOLONG
	case held > maxHeld:
		return syscall.ENOBUFS
	}
	return 0
}

// share returns the data that all workers get for the server with this key.
func (p *Primary) share(key string, data json.RawMessage) json.RawMessage {
	if len(data) == 0 {
		return json.RawMessage("null") // the server shares nothing
	}
	if string(data) == "null" || len(data) > maxSharedData {
		return data
	}
	return p.opts.Share(key, data)
}

// deliver sends the first message that waits. The caller holds p.mu.
func (p *Primary) deliver() {
	for len(p.waiting) > 0 {
		d := p.waiting[0]
		if d.socket != nil && d.Tries < maxTries && !(d.Passed && d.passing.told) {
			d.Tries++
			if d.passing != nil {
				p.pass(d)
				return
			}
			kind := streamHandle
			if d.Query.Type.Datagram() {
				kind = datagramHandle
			}
			p.send(handle{cmdHandle, kind, p.answer(d, 0)}, d.socket)
			return
		}
		if p.waiting = p.waiting[1:]; d.Passed {
			d.passing.tell(false)
			continue
		}
		p.forget(d.Key)
		p.refuse(d, syscall.EMFILE)
	}
}

// arrived is called when the worker has received a socket.
func (p *Primary) arrived() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		p.waiting = p.waiting[1:]
		p.deliver()
	}
}

// Delivers says whether a socket is on its way to the worker.
func (p *Primary) Delivers() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting) > 0
}

// lost is called when a message has reached the worker without its socket. The worker may
// have reached its limit of open files.
func (p *Primary) lost() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deliver()
}

func (p *Primary) closed(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(key)
}

// forget removes a server. The caller holds p.mu.
func (p *Primary) forget(key string) {
	delete(p.servers, key)
	delete(p.at, key)
}

// refuse answers a query with an error. The caller holds p.mu.
func (p *Primary) refuse(d *delivery, errno syscall.Errno) {
	p.send(p.answer(d, -int(errno)), nil)
}

// answer makes the answer to a query. The caller holds p.mu.
func (p *Primary) answer(d *delivery, errno int) answer {
	data := d.Data // a server that shares data needs it even in the answer with an error
	if errno == 0 {
		data = p.servers[d.Key]
	}
	if len(data) == 0 {
		data = json.RawMessage("null")
	}
	return answer{Cmd: cmdCluster, Errno: errno, Key: d.Key, Ack: d.Ack, Data: data, Seq: p.next()}
}

// next returns the next message's number. The caller holds p.mu.
func (p *Primary) next() int64 {
	p.seq++
	return p.seq
}

func (p *Primary) send(message any, socket *os.File) error {
	line, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("internal error: nodecluster: %w", err)
	}
	return p.opts.Send(line, socket)
}

// keyOf returns a name for a server that no other open server of its worker has, because it
// contains the index, as in Node 20.
func keyOf(q Query) string {
	address, fd := "null", "undefined"
	if q.Address != nil {
		address = *q.Address
	}
	if q.FD != nil {
		fd = fmt.Sprint(*q.FD)
	}
	return fmt.Sprintf("%s:%d:%s:%s:%d", address, q.Port, q.Type, fd, q.Index)
}

// errnoOf returns the error number that a worker gets for a failure. Its server emits it as
// an error.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return syscall.EINVAL
}
