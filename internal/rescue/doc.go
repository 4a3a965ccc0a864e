// Package rescue keeps the idle connections of a worker that is stopped and whose program
// cannot drain.
//
// The master copies them out of the worker (Take), holds back what clients send from
// then on, and waits until the worker has answered all that it has read. Then the worker
// can be stopped: its end closes nothing, for the copies are open. They go to a relay, a
// process of its own (Main), that serves the next request of each by a connection to the
// pool, from the client's own address, and answers with "Connection: close", so that the
// client comes back straight to the pool.
//
// Only plain HTTP/1 can be served so. Only clients on this host are rescued unless the
// user wants otherwise: a request from outside must not reach the app from an address
// of this host.
package rescue
