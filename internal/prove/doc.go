// Package prove loads an HTTP app while its workers are rolled or killed, and
// says of every request what became of it. It is how "no request is lost" turns
// from a claim into a number.
//
// # Clients
//
// Every client is one goroutine in a closed loop: send, read the whole answer,
// send again. No client ever sends a request twice. The HTTP connection is the
// package's own (not net/http's Transport, which silently sends again what died
// on a reused connection), the protocol by default is HTTP/1.1, in clear, over TLS, or over
// a Unix socket. Two connection modes run at the same time, each with
// Options.Clients clients, because a roll endangers them in different ways:
//
//   - fresh: a new connection for every request, "Connection: close" in it. It
//     meets the listener: the backlog, the accept, the drain right after it.
//   - keepalive: one connection until the server says "Connection: close" or it
//     breaks. It meets the drain of connections that are in use.
//
// Two others run alone:
//
//   - http2: Options.Clients streams at a time on four connections (package h2conn). A
//     connection that has got a GOAWAY takes no new stream, and finishes those that it has.
//   - websocket: each client has one WebSocket, sends numbered messages and waits for each
//     echo. Closes tells how connections ended.
//
// What the protocol itself takes back is no loss, and is counted as unprocessed: a stream that
// a GOAWAY or REFUSED_STREAM has refused, and a message to a WebSocket that was ended by a close
// frame. An RST_STREAM with another code counts as reset; a WebSocket that ends without a close
// frame loses the message under way, or one if there is none.
//
// # Lost
//
// A request is ok if its answer arrives to the last byte and has an expected
// status. Otherwise it is lost, whichever side is to blame, in exactly one class:
//
//	refused     no connection: ECONNREFUSED; of a Unix socket also ENOENT and EAGAIN (backlog full)
//	reset       ECONNRESET, EPIPE, ECONNABORTED
//	eof         closed before the answer was complete
//	timeout     no complete answer within Options.Timeout: the request hung
//	status_5xx  a complete answer with a status of 500 or more
//	other       the rest: an unexpected status, an answer that is not HTTP, a failed TLS handshake
//
// An answer that came before a failed write counts: a server may answer early
// and close. A close without "Connection: close" that meets a request on a
// kept connection counts as lost: that is the race a sound drain avoids.
//
// Kill mode knows one more outcome, held: the request died with eof or reset on a
// connection that the killed worker had accepted. Nothing can save it, so it does
// not count as lost. So that this need not be guessed, the worker is stopped
// (SIGSTOP), the connections that it holds are listed, and only then is it killed.
// Where that cannot be done the report says `attribution: "time"`: each request
// that broke within a second of a kill is taken for held.
//
// # The prover's own limits
//
// A closed connection stays in TIME_WAIT for a minute on the side that closed
// first, which bounds fresh connections to one target address to about
// net.ipv4.ip_local_port_range (28,232 ports) a minute and source address. On
// Linux, and for a target in 127.0.0.0/8, the clients therefore rotate over the
// sources 127.0.0.1 to 127.0.0.8: 225,000 a minute, and far more where
// net.ipv4.tcp_tw_reuse is 2, the default. SO_LINGER would avoid TIME_WAIT by a RST and
// is not used: the RST would destroy what is to be measured. When ports or
// files run out all the same, the client waits a little and the report counts
// it under local_ports and local_files, never as lost.
package prove
