package worker

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"relevo/internal/ipc"
)

// waitingLimit bounds the application messages that wait for OnMessage, in bytes.
const waitingLimit = 16 << 20

// proc is a worker. Programs have one, made of their environment; tests make
// more, of made-up ones.
type proc struct {
	place
	err     error // of the environment
	sockets *sockets

	opening    sync.Once
	channel    *channel // nil: there is none; set by opening
	channelErr error
	messages   mailbox[json.RawMessage]
	states     mailbox[State]
	raise      func() // sends SIGTERM to this process

	asked    chan struct{} // closed by mu's holder when the master asks to drain
	draining chan struct{} // closed by mu's holder when the program should finish

	mu       sync.Mutex
	patience time.Duration // the master's deadline, counted from asked; 0 unknown
	watched  bool          // the program called Draining
	serving  map[*run]int  // the Serve calls that run, with their open connections
	spoiled  bool          // one of them ended with work undone
}

func newProc(getenv func(string) string, pid int) *proc {
	p := &proc{
		asked:    make(chan struct{}),
		draining: make(chan struct{}),
		serving:  make(map[*run]int),
		raise:    raiseTerm,
	}
	p.messages.limit, p.messages.size, p.messages.onLoss = waitingLimit, weight, reportLoss
	p.states.newestOnly = true
	p.place, p.err = readPlace(getenv, pid)
	p.sockets = newSockets(p.names)
	if p.channelFD >= 0 && isStream(p.channelFD) {
		closeOnExec(p.channelFD)
	}
	return p
}

// weight counts what a waiting message costs besides its bytes.
func weight(m json.RawMessage) int { return len(m) + 64 }

func reportLoss(total uint64) {
	slog.Warn("worker: application messages of the master are dropped: OnMessage's function is missing or too slow",
		"lost", total)
}

func raiseTerm() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Signal(syscall.SIGTERM)
	}
}

func (p *proc) listen(network, nameOrAddr string) (net.Listener, error) {
	if p.err != nil {
		return nil, p.err
	}
	if p.managed {
		return p.sockets.listener(network, nameOrAddr)
	}
	if isName(network, nameOrAddr) {
		return nil, p.nameless(nameOrAddr)
	}
	ln, err := net.Listen(network, nameOrAddr)
	return ln, p.hint(err)
}

func (p *proc) listenPacket(network, nameOrAddr string) (net.PacketConn, error) {
	if p.err != nil {
		return nil, p.err
	}
	if p.managed {
		return p.sockets.packetConn(network, nameOrAddr)
	}
	if isName(network, nameOrAddr) {
		return nil, p.nameless(nameOrAddr)
	}
	pc, err := net.ListenPacket(network, nameOrAddr)
	return pc, p.hint(err)
}

func (p *proc) nameless(name string) error {
	return p.hint(fmt.Errorf("cannot listen on %q: it is a name, and no master passed listeners to this process; "+
		"give an address such as \":8080\"", name))
}

// hint explains the failure of a program that a shell started as its child: LISTEN_PID names the shell.
func (p *proc) hint(err error) error {
	if err == nil || p.stranger == "" {
		return err
	}
	return fmt.Errorf("%w (listeners were passed to process %s, not to this one, %d: start it by exec)", err, p.stranger,
		os.Getpid())
}

// open returns the channel, or nil if the master gives none. The first call says
// hello and starts the reader.
func (p *proc) open() (*channel, error) {
	p.opening.Do(func() {
		if p.channelFD < 0 {
			return
		}
		if p.channel, p.channelErr = openChannel(p.channelFD); p.channelErr != nil {
			return
		}
		// If the master is gone already, the worker keeps running, and the next send reports it.
		_ = p.channel.send(ipc.Hello{Protocol: ipc.Protocol, Pong: true})
		go p.channel.read(p.receive)
	})
	return p.channel, p.channelErr
}

func (p *proc) receive(m ipc.Message) {
	switch m := m.(type) {
	case ipc.App:
		p.messages.put(m.Data)
	case ipc.State:
		p.states.put(stateOf(m))
	case ipc.Drain:
		p.askedToDrain(time.Duration(m.DeadlineMS) * time.Millisecond)
	case ipc.Ping:
		_ = p.channel.send(ipc.Pong{}) // a master that is gone asks nothing more
	}
}

// tell sends m over the channel, or else by notify.
func (p *proc) tell(m ipc.Message, state string) error {
	ch, err := p.open()
	switch {
	case err != nil:
		return err
	case ch != nil:
		return ch.send(m)
	case p.notify != "" && state != "":
		return notify(p.notify, state)
	}
	return nil
}

func (p *proc) ready() error { return p.tell(ipc.Ready{}, "READY=1") }

func (p *proc) status(text string) error {
	return p.tell(ipc.Status{Text: oneLine(text)}, "STATUS="+oneLine(text))
}

func (p *proc) load(value float64) error {
	if math.IsNaN(value) || value < 0 || value > maxLoad {
		return fmt.Errorf("cannot tell a load of %g: write 0 for idle to 1 for all that the worker can do, or more if work "+
			"waits", value)
	}
	return p.tell(ipc.Load{Value: value}, "")
}

// maxLoad refuses numbers that are surely no load, such as a count of bytes.
const maxLoad = 1e6

func (p *proc) send(v any) error {
	ch, err := p.open()
	if ch == nil || err != nil {
		return err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("cannot send to the master: %w", err)
	}
	return ch.send(ipc.App{Data: data})
}

func (p *proc) onMessage(f func(json.RawMessage)) {
	_, _ = p.open() // where it fails, nothing can be lost; Ready and Send report it
	p.messages.handle(f)
}

func (p *proc) onState(f func(State)) {
	_, _ = p.open() // as in onMessage
	p.states.handle(f)
}
