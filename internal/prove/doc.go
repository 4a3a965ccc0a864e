// Package prove loads an HTTP app while its workers are rolled or killed, and
// counts the result of every request. It turns the claim "no request is lost" into
// a number.
//
// # Clients
//
// Every client is one goroutine in a closed loop: send, read the whole answer,
// send again. No client ever sends a request twice. The package has its own HTTP client,
// because net/http's Transport silently repeats a request that fails on a reused
// connection. By default the protocol is HTTP/1.1, in clear, over TLS, or over a Unix
// socket. Two connection modes run at the same time, each with
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
//     connection that has received a GOAWAY takes no new stream, and finishes its open ones.
//   - websocket: each client has one WebSocket, sends numbered messages and waits for each
//     echo. Closes counts how the connections ended.
//
// If the protocol itself says that a request was not processed, the request is not lost, but
// counted as unprocessed: a stream that a GOAWAY or REFUSED_STREAM has refused, and a message to
// a WebSocket that a close frame has ended. An RST_STREAM with another code counts as reset. A
// WebSocket that ends without a close frame loses the message under way; without such a message
// it counts as one.
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
// A complete answer counts even if writing the request failed: a server may answer early
// and close. If a server closes a kept connection without "Connection: close" while a
// request is on its way, the request is lost; a correct drain avoids that.
//
// Kill mode has one more result, held: the request ended with eof or reset on a
// connection that the killed worker had accepted. Nothing can save such a request, so it
// does not count as lost. To know these connections, prove stops the worker (SIGSTOP),
// lists its connections, and only then kills it. If that is not possible, the report says
// `attribution: "time"`: each request that broke within a second of a kill counts as held.
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
