// Package rescue keeps the idle connections of a worker that is stopped and whose program
// cannot drain.
//
// The master copies their descriptors out of the worker (Take). From then on it holds back
// what clients send, and waits until the worker has answered all that it has read. Then the
// worker can be stopped: its end closes no connection, because the copies are open. They go
// to a relay, a process of its own (Main). For each connection the relay passes the next
// request on to the pool, from the client's own address, and adds "Connection: close" to the
// answer, so that the client connects to the pool again.
//
// A relay can serve only plain HTTP/1. Only clients on this host are rescued, unless the
// user configures otherwise: a request from outside must not reach the app from an address
// of this host.
package rescue
