package launch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"relevo/internal/capture"
	"relevo/internal/ipc"
	"relevo/internal/nodecluster"
	"relevo/internal/runtimes"
	"relevo/pool"
)

// byListening says that a worker is ready because a server of Node's listens on a socket
// that other workers share.
const byListening = "listening"

// node says whether the command is Node itself, which finds its channel by a variable of
// Node's. A shell or npm in between would not pass the channel on.
func (r *Release) node() bool {
	name := filepath.Base(r.command.Args[0])
	return name == "node" || name == "nodejs"
}

// clustered says whether the master is the primary of Node's cluster for the workers.
// Node is a cluster's worker only where it runs a script.
func (r *Release) clustered() bool {
	return r.node() && r.command.Sockets != nil && runtimes.Parse(r.command.Args).Script > 0
}

// beginCluster makes the master the primary of a Node worker that starts.
func (p *Process) beginCluster() {
	if p.release.clustered() {
		p.primary = nodecluster.New(p.clusterOptions())
		p.disconnects = p.release.nodeScript().Uses
	}
}

// resumeCluster is beginCluster for a worker that another master has started. If that
// master was killed, a request of the worker may be lost, and the worker would wait for the
// answer forever. So a worker that has not served yet is killed and started again, without
// blame for its release. Any other worker is asked to repeat its requests.
func (p *Process) resumeCluster(l processLegacy) {
	if l.Cluster == nil {
		return
	}
	if l.Channel.Torn {
		l.Cluster.Tear(l.Preloaded)
	}
	p.primary = nodecluster.Resume(p.clusterOptions(), *l.Cluster)
	p.disconnects = l.Disconnects
	if l.Preloaded {
		p.preload.load()
	}
	if l.Channel.Torn && !l.Settled {
		p.release.launcher.warn("a worker is started again: it may wait for a socket that the previous master was "+
			"killed over", "pid", p.pid)
		p.again.Store(true)
		p.asked.Store(true)
		p.handle.killGroup(p.pid)
	}
}

// goOnWithCluster sends the worker what the previous master has not sent.
func (p *Process) goOnWithCluster(l processLegacy) {
	switch {
	case l.Cluster == nil:
	case l.Channel.Torn && l.Preloaded:
		_ = p.primary.AskAgain() // fails if the channel has ended
	case l.Channel.Torn, l.Channel.Withheld:
		p.primary.Redeliver()
	}
}

// nodeScript reads the script when the release starts its first worker. It logs once that
// the branch for the primary does not run.
func (r *Release) nodeScript() nodecluster.Script {
	r.lookAtScript.Do(func() {
		if r.script = nodecluster.ReadScript(r.path); r.script.Primary {
			r.launcher.primary.Do(func() {
				r.launcher.opts.Log.Info("relevo is the primary of Node's cluster: what the script does where "+
					"cluster.isPrimary is true does not run", "script", r.path)
			})
		}
	})
	return r.script
}

func (p *Process) clusterOptions() nodecluster.Options {
	return nodecluster.Options{
		Send:  p.sendNode,
		Open:  p.openForNode,
		Clash: clashing,
		Share: p.release.launcher.shared.keep,
		Tell:  p.clusterEvent,
	}
}

func (p *Process) sendNode(line []byte, socket *os.File) error {
	if p.channel == nil {
		return ipc.ErrClosed
	}
	return p.channel.SendSocket(line, socket)
}

// saidByNode handles Node's internal messages. ok says that left is a message of the
// program.
func (p *Process) saidByNode(m ipc.Message) (left ipc.Message, ok bool) {
	app, is := m.(ipc.App)
	if !is || !p.release.node() {
		return m, true
	}
	program, ours := json.RawMessage(nil), false
	if p.primary != nil {
		program, ours = p.primary.Said(app.Data)
		p.tellOpened()
	} else if program, ours = nodecluster.TakeSent(app.Data, p.sendNode); ours {
		p.tellSent()
	}
	if ours {
		m = ipc.App{Data: program}
		ok = program != nil
	}
	if said, is := m.(ipc.App); is && p.release.command.SendReady && string(said.Data) == `"ready"` {
		m = ipc.Ready{}
	}
	return m, ok || !ours
}

// tellOpened reports to the pool what servers have opened. It must not be called while the
// primary is locked: the pool may be asking the primary for its legacy, so both would wait
// for each other.
func (p *Process) tellOpened() {
	for _, address := range p.untold {
		p.sink(pool.Captured{Address: address})
	}
	p.untold = nil
}

func (p *Process) clusterEvent(e nodecluster.Event) {
	switch e := e.(type) {
	case nodecluster.Listening:
		p.listens()
		if p.binder.hasOwn() || !p.ready.accepts() || p.ready.hasSpoken() {
			return // it is ready when it has accepted a connection, or says so
		}
		p.isReady(byListening)
		p.introduce() // it may have been ready before it opened anything
	case nodecluster.Leaving:
		p.sink(pool.Said{Message: ipc.Draining{}})
	case nodecluster.Sent:
		p.tellSent()
	case nodecluster.Preloaded:
		if e.Old() {
			p.release.launcher.oldNode.Do(func() {
				p.release.launcher.warn(fmt.Sprintf("this version of Node is too old: relevo is tested with %d and newer",
					nodecluster.Oldest), "pid", p.pid, "node", e.Node)
			})
		}
		p.preload.load()
		p.sink(pool.FilesAdded{}) // for the legacy
	case nodecluster.Clear:
		p.preload.clear.Store(true)
	}
}

// tellSent logs once that what a program sends with a message is not taken.
func (p *Process) tellSent() {
	p.release.launcher.sent.Do(func() {
		p.release.launcher.warn("a connection or a server that a worker sends with a message (process.send) is closed; "+
			"the message itself arrives", "pid", p.pid)
	})
}

// openForNode opens the socket for a server of Node's, as if the server had bound it.
func (p *Process) openForNode(q nodecluster.Query) (*os.File, error) {
	if q.FD != nil && *q.FD >= 0 {
		inherited := p.release.command.Listeners
		if i := int(*q.FD) - firstFD; i >= 0 && i < len(inherited) {
			return inherited[i].File, nil
		}
		return nil, syscall.EBADF
	}
	address, socket, err := wantedBy(q)
	if err != nil {
		return nil, err
	}
	file, err := p.openAt(address, socket, q)
	if q.Address == nil && (errors.Is(err, syscall.EAFNOSUPPORT) || errors.Is(err, syscall.EADDRNOTAVAIL)) { // no IPv6
		address = capture.Address{Family: syscall.AF_INET, IP: netip.AddrPortFrom(netip.IPv4Unspecified(), address.IP.Port())}
		file, err = p.openAt(address, socket, q)
	}
	return file, err
}

func (p *Process) openAt(a capture.Address, s capture.Socket, q nodecluster.Query) (*os.File, error) {
	request, err := capture.Request(p.pid, a, s)
	if err != nil {
		return nil, err
	}
	request.Index = int(q.Index)
	grant, first := p.grant(request)
	if first {
		p.untold = append(p.untold, grant.Address)
	}
	if grant.Socket == nil && grant.Refused == nil {
		return nil, syscall.EINVAL
	}
	return grant.Socket, grant.Refused
}

// wantedBy returns the address that a server would bind. If the address is null, Node binds
// the unspecified address of both families.
func wantedBy(q nodecluster.Query) (a capture.Address, s capture.Socket, err error) {
	s = capture.Socket{Type: syscall.SOCK_STREAM, Protocol: syscall.IPPROTO_TCP, NonBlocking: true, V6Only: q.V6Only()}
	if q.Type == nodecluster.Unix {
		if q.Address == nil || *q.Address == "" {
			return a, s, syscall.EINVAL
		}
		s.Protocol = 0
		path := *q.Address
		if _, abstract, is := strings.Cut(path, "\x00"); is { // Node puts the working directory before it
			path = "@" + abstract
		}
		return capture.Address{Family: syscall.AF_UNIX, Path: path}, s, nil
	}
	if q.Type.Datagram() {
		s.Type, s.Protocol = syscall.SOCK_DGRAM, syscall.IPPROTO_UDP
	}
	if q.Port < 0 || q.Port > 65535 {
		return a, s, syscall.EINVAL
	}
	ip := netip.IPv6Unspecified()
	if q.Address != nil {
		if ip, err = netip.ParseAddr(*q.Address); err != nil {
			return a, s, fmt.Errorf("cannot read the address %q of a server: %w", *q.Address, syscall.EINVAL)
		}
	}
	family := syscall.AF_INET6
	if ip.Is4() {
		family = syscall.AF_INET
	}
	return capture.Address{Family: family, IP: netip.AddrPortFrom(ip, uint16(q.Port))}, s, nil
}

// disconnectPatience is how long a worker whose script uses Node's cluster may take to
// close its idle servers and to end by itself, before it gets the stop signal. A worker
// with a timer or an open database connection does not end by itself.
const disconnectPatience = time.Second

// disconnectIdle disconnects a worker that has no clients left, so that its script's handlers
// for that run. Other scripts handle the stop signal, which they would not get if they
// ended before.
func (p *Process) disconnectIdle(ctx context.Context) {
	if !p.disconnects || p.primary.Disconnect() != nil {
		return
	}
	patience := time.NewTimer(disconnectPatience)
	defer patience.Stop()
	select {
	case <-p.gone:
	case <-ctx.Done():
	case <-patience.C:
	}
}

// disconnect is for a worker whose servers share their sockets: it closes them, and its
// channel when their connections have ended. The pool's time limits may end it earlier.
func (p *Process) disconnect(ctx context.Context) {
	if p.primary.Disconnect() == nil {
		select {
		case <-p.channelEnded:
			p.sink(pool.Said{Message: ipc.Drained{}})
		case <-p.overdue:
		case <-ctx.Done():
			return
		}
	}
	p.hurry.Do(func() {})
	if p.disconnectIdle(ctx); ctx.Err() == nil {
		p.handle.signal(p.release.command.stopSignal())
	}
}

// sharedData is data that the servers of all Node workers share, by the server's key: the
// first worker's value. It survives rolls and masters as long as a worker has it.
type sharedData struct {
	mu    sync.Mutex
	first map[string]json.RawMessage
}

// maxShared bounds the servers for which something is kept.
const maxShared = 256

func (s *sharedData) keep(key string, data json.RawMessage) json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if first, known := s.first[key]; known {
		return first
	}
	if len(s.first) < maxShared {
		if s.first == nil {
			s.first = map[string]json.RawMessage{}
		}
		s.first[key] = data
	}
	return data
}

func (p *Process) clusterLegacy() *nodecluster.Legacy {
	if p.primary == nil {
		return nil
	}
	l := p.primary.Legacy()
	return &l
}
