package etcdtest

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proxy is the network between clients and one member of an etcd. Each direction of it can be slow, or cut.
type Proxy struct {
	Endpoint  string
	Questions *Way // from clients to etcd
	Answers   *Way // from etcd to clients

	member   string
	listener net.Listener
	ctx      context.Context // ends with the test
	pumps    sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// Proxy starts a proxy to a member.
func (c *Cluster) Proxy(t testing.TB, member int) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Proxy{Endpoint: "http://" + listener.Addr().String(), Questions: &Way{}, Answers: &Way{},
		member: strings.TrimPrefix(c.Endpoints[member], "http://"), listener: listener, ctx: ctx,
		conns: map[net.Conn]bool{}}
	p.pumps.Go(p.accept)
	t.Cleanup(func() {
		cancel()
		listener.Close()
		p.Sever()
		p.pumps.Wait()
	})
	return p
}

// Cut cuts both directions.
func (p *Proxy) Cut() {
	p.Questions.Cut()
	p.Answers.Cut()
}

// Heal ends what Cut and the Cuts of single directions have begun.
func (p *Proxy) Heal() {
	p.Questions.Heal()
	p.Answers.Heal()
}

// Sever closes all connections, and what was on its way is lost.
func (p *Proxy) Sever() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		etcd, err := net.Dial("tcp", p.member)
		if err != nil {
			client.Close()
			continue
		}
		p.pumps.Go(func() { p.connect(client, etcd) })
	}
}

// connect carries both directions until both have ended.
func (p *Proxy) connect(client, etcd net.Conn) {
	p.know(true, client, etcd)
	defer p.know(false, client, etcd)
	var both sync.WaitGroup
	both.Go(func() { p.Questions.carry(p.ctx, client, etcd) })
	both.Go(func() { p.Answers.carry(p.ctx, etcd, client) })
	both.Wait()
}

// know notes connections to be closed at the end, or closes them. After the end of the test it closes all.
func (p *Proxy) know(open bool, conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		if open && p.ctx.Err() == nil {
			p.conns[conn] = true
			continue
		}
		conn.Close()
		delete(p.conns, conn)
	}
}

// Way is one direction. What it carries while it is cut is held, and arrives when it is healed: TCP sends
// again what was lost. So does the end of a connection.
type Way struct {
	mu     sync.Mutex
	delay  time.Duration
	healed chan struct{} // closed by Heal; nil: not cut
}

// Delay makes all that is sent from now on arrive that much later.
func (w *Way) Delay(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = d
}

// Cut holds what arrives from now on.
func (w *Way) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.healed == nil {
		w.healed = make(chan struct{})
	}
}

// Heal lets pass what is held.
func (w *Way) Heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.healed != nil {
		close(w.healed)
		w.healed = nil
	}
}

// piece is what was read at once, and when it is to arrive.
type piece struct {
	bytes []byte // none: the end
	due   time.Time
}

// carry copies from one connection to the other until the end of the first, or of ctx.
func (w *Way) carry(ctx context.Context, from, to net.Conn) {
	pieces := make(chan piece, 1000) // what may be on its way
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(pieces)
		for w.read(ctx, from, pieces) {
		}
	})
	defer reader.Wait()
	defer from.Close() // ends the reader, too, if it was not the reader that has ended this
	for p := range pieces {
		if !w.arrive(ctx, p.due) {
			return
		}
		if len(p.bytes) == 0 {
			to.(*net.TCPConn).CloseWrite()
			continue
		}
		if _, err := to.Write(p.bytes); err != nil {
			return
		}
	}
}

// read reads a piece. It returns false at the end.
func (w *Way) read(ctx context.Context, from net.Conn, pieces chan<- piece) bool {
	bytes := make([]byte, 16<<10)
	n, err := from.Read(bytes)
	w.mu.Lock()
	due := time.Now().Add(w.delay)
	w.mu.Unlock()
	select {
	case pieces <- piece{bytes[:n], due}:
	case <-ctx.Done():
		return false
	}
	return err == nil
}

// arrive waits until a piece is due and the way is not cut. It returns false if ctx ends before.
func (w *Way) arrive(ctx context.Context, due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	for {
		w.mu.Lock()
		healed := w.healed
		w.mu.Unlock()
		if healed == nil {
			return true
		}
		select {
		case <-healed:
		case <-ctx.Done():
			return false
		}
	}
}
