// Package worker is for Go programs that run as workers of a relevo master. The
// same program runs unchanged without a master, and under systemd's socket
// activation and notify protocols.
//
// A web server needs one line:
//
//	err := worker.Serve(ctx, &http.Server{Addr: ":8080", Handler: mux})
//
// Serve takes the listener that the master holds (or opens one) and says Ready.
// On SIGTERM, on SIGINT, at the end of ctx, or when the master asks for it, it
// drains in two phases:
//
//  1. Quiesce: the process closes its own copy of the listener and waits until
//     its accept loop has ended, so that no accepted connection is overlooked.
//     The listener itself lives on in the master and the sibling workers.
//  2. Drain: from now on each HTTP/1 response says "Connection: close", and each
//     HTTP/2 connection is told by GOAWAY to open no more streams. Connections
//     leave as their clients read that. One on which nothing happens for the
//     idle grace is closed; one with a request in progress never is, before the
//     deadline.
//
// [http.Server.Shutdown] alone does less: it closes idle connections at once,
// also those on which a request is arriving, and drops a request that it has
// read already if shutdown began in between. It runs here as the last step,
// when there is nothing left for it to lose.
//
// # What remains
//
// HTTP/1.1 gives a server no way to take back a connection that the client may
// be about to use. When the idle grace is over, the goroutine that reads the
// connection looks for arrived bytes a last time and closes it. A request that
// arrives in the microseconds after that look, or is on its way over the
// network, fails, as RFC 9112 §9.5 allows. A longer IdleGrace makes that rarer.
// Under TLS a request that stops half-way through its header for the
// whole grace counts as idle too, because encrypted bytes do not tell a request
// from a handshake.
//
// # One process, one worker
//
// The functions of this package act on one process-wide worker that is opened
// at first use. It is the package's only global, because what it stands for is
// global too: environment variables, inherited file descriptors, signals and
// the channel to the master exist once in a process.
//
// The listening sockets are shared with the master and with all other workers.
// Closing one is safe. Calling shutdown(2) or listen(2) on one, or clearing its
// O_NONBLOCK flag (as [os.File.Fd] does on a file from [net.TCPListener.File]),
// reaches all of them; this package never does.
//
// # In another module
//
// The module is called relevo and has no address that "go get" could fetch it
// from. A program in a module of its own names a checkout in its go.mod:
//
//	require relevo v0.0.0
//
//	replace relevo => ../relevo
//
// and imports "relevo/worker"; "go mod tidy" adds what the package needs beside
// the standard library. The example examples/go-grpc is such a module.
package worker
