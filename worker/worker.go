package worker

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"sync"
)

// process is the one worker of this process; see the package comment.
var process = sync.OnceValue(func() *proc { return newProc(os.Getenv, os.Getpid()) })

// Self is what a worker knows of itself.
type Self struct {
	Name       string // the app's name
	Slot       int    // the worker's place in the pool, 0…N-1
	ID         string // unique in the life of the app
	Generation int    // the generation it runs
}

// Managed reports whether a master started this process: relevo, or another one
// that passes listeners by systemd's LISTEN_FDS protocol.
func Managed() bool { return process().managed }

// Identity reports which worker this process is. ok is false where relevo did
// not start it.
func Identity() (id Self, ok bool) { return process().self, process().identified }

// Listen returns the stream listener of the master that has the name nameOrAddr,
// as on the master's command line; else the one with that address (":80" means
// port 80 of all addresses, IPv4 or IPv6); else, if the master passes exactly one
// listener, that one. Without a master it is [net.Listen].
//
// Each inherited listener can be taken once, as an address can be bound once: a
// second call for the same one is an error. It then belongs to the caller, who may
// close it: that closes this process's copy only. An error in a managed process
// lists what the master passed.
func Listen(network, nameOrAddr string) (net.Listener, error) {
	return process().listen(network, nameOrAddr)
}

// ListenPacket does for datagram sockets what Listen does for streams; without a
// master it is [net.ListenPacket]. All workers read from one socket and each
// datagram reaches any one of them, so it suits protocols without a session.
func ListenPacket(network, nameOrAddr string) (net.PacketConn, error) {
	return process().listenPacket(network, nameOrAddr)
}

// Ready tells the master that the worker serves: over the channel, or by
// READY=1 on NOTIFY_SOCKET where there is no channel. Without a master it does
// nothing. Serve calls it.
func Ready() error { return process().ready() }

// Status gives the master a line of text for people. Without a master it does
// nothing.
func Status(text string) error { return process().status(text) }

// Load tells the master how busy the worker is: 0 is idle, 1 is all that it can do, and more
// says that work waits. Where the number of workers follows the load (workers = "2..8"), the
// master adds workers while the mean of what they said last is above 0.8. Workers that have said
// nothing do not count, so say 0 at the start. Call it again when the load has changed. Without a
// master, or where the master gives no channel, it does nothing.
func Load(value float64) error { return process().load(value) }

// Send sends v as one JSON value to the master. It waits at most ten seconds for
// a master that does not read. Without a master, or where the master gives no
// channel, it does nothing. Errors are [ErrReserved], [ErrLineTooLong], and those of
// a channel that is gone.
func Send(v any) error { return process().send(v) }

// OnMessage sets the function that receives the application messages of the
// master, in their order and one at a time, on a goroutine of its own. It may
// take its time: the channel is read on meanwhile. Messages that come before the
// first OnMessage wait for it. Of more than 16 MiB of waiting messages the
// newest are dropped, which is logged and counted by Lost. A second call
// replaces the function; nil makes messages wait again.
func OnMessage(f func(json.RawMessage)) { process().onMessage(f) }

// Lost counts the application messages dropped so far; see OnMessage.
func Lost() uint64 { return process().messages.lostSoFar() }

// OnState sets the function that receives the master's announcements of the
// pool, on a goroutine of its own and the newest known one at once. A function
// slower than the changes sees only the newest.
func OnState(f func(State)) { process().onState(f) }

// Draining returns a channel that is closed when this worker should finish its
// work: when a Serve starts to drain, or, where none runs, when the master asks.
// Handlers of long streams can watch it to end early, and users of hijacked
// connections to say goodbye; both may also continue until the deadline.
//
// A program that neither serves by this package nor calls Draining gets the
// master's request as a SIGTERM to itself.
func Draining() <-chan struct{} { return process().drainingChan() }

// Serve serves srv at the listener that srv.Addr means (see [Listen]) until it
// has drained; it is the short form of [Server.Serve].
func Serve(ctx context.Context, srv *http.Server) error {
	return (&Server{HTTP: srv}).Serve(ctx)
}

// ServeListener serves srv at the given listeners; it is the short form of
// [Server.ServeListener].
func ServeListener(ctx context.Context, srv *http.Server, listeners ...net.Listener) error {
	return (&Server{HTTP: srv}).ServeListener(ctx, listeners...)
}
