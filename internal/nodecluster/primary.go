package nodecluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"sync"
	"syscall"
)

const (
	// maxServers bounds the servers that one worker may have open: one that asks
	// without end harms nobody else.
	maxServers = 64
	// maxKey bounds the name of a server in bytes: Node puts a path into it.
	maxKey = 8 << 10
	// maxHeld bounds what is kept for one worker in bytes: names of servers, and what
	// they share.
	maxHeld = 256 << 10
	// maxTries is how often a socket is sent that does not arrive. Node sends its own
	// three times.
	maxTries = 3
	// maxSharedData bounds what workers share for one server, in bytes. Node's TLS
	// servers share 96 digits of ticket keys.
	maxSharedData = 4 << 10
)

// Options are what a Primary needs of its master.
type Options struct {
	// Send queues a line for the worker, with the socket that goes with it, if any. It
	// does not block.
	Send func(line []byte, socket *os.File) error
	// Open returns the socket for a query. It stays the callee's.
	Open func(Query) (*os.File, error)
	// Share returns what all workers are told of a server: what the first of them said.
	Share func(key string, data json.RawMessage) json.RawMessage
	// Tell reports an event of the worker. It is called from the goroutine that calls
	// Said.
	Tell func(Event)
}

// Event is what a worker does, as Node's cluster names it. The set is closed: Listening,
// Leaving, Sent, Preloaded and Clear.
type Event interface{ event() }

// Listening: a server of the worker listens and accepts as soon as its event loop turns.
type Listening struct{ Query }

// Leaving: the worker disconnects by its own wish (worker.disconnect).
type Leaving struct{}

// Sent: its program has sent a connection or a server beside a message (process.send). It is
// not taken.
type Sent struct{}

func (Listening) event() {}
func (Sent) event()      {}
func (Leaving) event()   {}

// Primary serves one worker. Its methods are safe for concurrent use.
type Primary struct {
	opts Options

	mu      sync.Mutex
	seq     int64
	servers map[string]json.RawMessage // by key: open ones, with what they share
	at      map[string]netip.AddrPort  // where those listen that are of TCP
	waiting []*delivery                // what sockets go with; the first is on its way
	passed  map[int64]*Passing         // connections that the worker has said nothing of yet, by message
	leaving bool                       // it was asked to disconnect

	takesNoMore bool // connections: it leaves, or reads no more
}

// delivery is a message that waits for its turn: Node takes one descriptor at a time.
type delivery struct {
	Query Query           `json:"query"`
	Ack   integer         `json:"ack"`
	Key   string          `json:"key"`
	Tries int             `json:"tries,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"` // as the worker has sent it
	// Passed: it is no answer, but a connection.
	Passed bool `json:"passed,omitempty"`

	socket  *os.File
	passing *Passing // of a connection that this master passes
}

// Legacy is a Primary on its way from one master to the next.
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

// Resume returns the primary of a worker of another master.
func Resume(o Options, l Legacy) *Primary {
	p := New(o)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seq, p.waiting, p.leaving = l.Seq, l.Waiting, l.Leaving
	for key, data := range l.Servers {
		p.servers[key] = o.Share(key, data)
	}
	maps.Copy(p.at, l.At)
	for _, d := range p.waiting {
		if !d.Passed {
			d.socket, _ = o.Open(d.Query) // without one it is refused in its turn
		}
	}
	return p
}

// Redeliver sends the first answer that waits, for the master before did not.
func (p *Primary) Redeliver() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deliver()
}

// Legacy is what the next master must know.
func (p *Primary) Legacy() Legacy {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := Legacy{Seq: p.seq, Leaving: p.leaving, Servers: maps.Clone(p.servers), At: maps.Clone(p.at)}
	for i, d := range p.waiting {
		if i == 0 || !d.Passed { // a connection that was not sent stays with its worker
			l.Waiting = append(l.Waiting, d)
		}
	}
	return l
}

// Said takes a message of the worker. Where it is the protocol's it is answered, and
// what the program says inside of it, beside a descriptor, is returned.
func (p *Primary) Said(line []byte) (program json.RawMessage, ours bool) {
	m, ours, err := parse(line)
	switch {
	case !ours || err != nil:
	case m.Cmd == cmdAck:
		p.arrived()
	case m.Cmd == cmdNack:
		p.lost()
	case m.Cmd == cmdHandle:
		return p.takeHandle(line), true
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

// Disconnect asks the worker to close its servers, to wait for their connections, and
// to end when it has nothing else to do (cluster.disconnect). It is asked once: a second
// time Node would not wait.
func (p *Primary) Disconnect() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leaving {
		return nil
	}
	p.leaving = true
	return p.send(order{Cmd: cmdCluster, Act: actDisconnect, Seq: p.next()}, nil)
}

// takeHandle answers a message that came with a descriptor of the worker's, which is
// not taken: without the answer nothing that it says later would be sent.
func (p *Primary) takeHandle(line []byte) json.RawMessage {
	p.acknowledge()
	var outer struct {
		Msg json.RawMessage `json:"msg"`
	}
	if json.Unmarshal(line, &outer) != nil || len(outer.Msg) == 0 {
		return nil
	}
	if _, ours, _ := parse(outer.Msg); ours {
		return nil
	}
	p.opts.Tell(Sent{})
	return outer.Msg
}

// PassedOver is told how a line begins that could not be read, for it was too long or no
// JSON. Where a descriptor came with it, Node sends nothing more before that is answered.
func (p *Primary) PassedOver(begin []byte) {
	if bytes.HasPrefix(begin, []byte(`{"cmd":"`+cmdHandle+`"`)) {
		p.acknowledge()
		p.opts.Tell(Sent{})
	}
}

func (p *Primary) acknowledge() {
	p.send(struct {
		Cmd string `json:"cmd"`
	}{cmdAck}, nil)
}

// query answers a server's wish to listen. A worker waits for the answer for ever: it is
// sent, or in the legacy. So Open runs under p.mu, and what it has to tell waits until
// Said has returned.
func (p *Primary) query(m received) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := &delivery{Query: m.Query, Ack: m.Seq, Key: keyOf(m.Query), Data: m.Data}
	if _, open := p.servers[d.Key]; open {
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

// noRoom says why nothing may be kept for another server. Servers that were closed again
// count while their answers wait. It holds p.mu.
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

// share is what all workers are told of the server of a key.
func (p *Primary) share(key string, data json.RawMessage) json.RawMessage {
	if len(data) == 0 {
		return json.RawMessage("null") // of a server that shares nothing
	}
	if string(data) == "null" || len(data) > maxSharedData {
		return data
	}
	return p.opts.Share(key, data)
}

// deliver sends the first answer that waits. It holds p.mu.
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

// arrived is told when the worker has got a socket.
func (p *Primary) arrived() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		p.waiting = p.waiting[1:]
		p.deliver()
	}
}

// lost is told when a socket did not come with its message: the worker may have as many
// open files as it may.
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

// forget holds p.mu.
func (p *Primary) forget(key string) {
	delete(p.servers, key)
	delete(p.at, key)
}

// refuse holds p.mu.
func (p *Primary) refuse(d *delivery, errno syscall.Errno) {
	p.send(p.answer(d, -int(errno)), nil)
}

// answer holds p.mu.
func (p *Primary) answer(d *delivery, errno int) answer {
	data := d.Data // a server that shares something wants it back beside an error, too
	if errno == 0 {
		data = p.servers[d.Key]
	}
	if len(data) == 0 {
		data = json.RawMessage("null")
	}
	return answer{Cmd: cmdCluster, Errno: errno, Key: d.Key, Ack: d.Ack, Data: data, Seq: p.next()}
}

// next holds p.mu.
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

// keyOf names a server among those of its worker: with its index, as Node 20 does,
// never twice at a time.
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

// errnoOf is what a worker is told of a failure; its server emits it as an error.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return syscall.EINVAL
}
