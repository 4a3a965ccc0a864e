// Package listeners holds an app's listening sockets. A Set opens them as the configuration
// says, repairs what workers do to them, retires those that are not wanted any more, and
// passes them to the next master (Set.Legacy, TakeOver). At a TCP listener a worker may have
// a socket of its own: package seats.
//
// The master binds and holds the sockets and serves no connection on them. (Connections that wait
// at the seat of a dead worker, and that no other worker will get, are accepted and reset.) The
// sockets are kept out of the runtime's poller: in it, each connection of a client would wake the
// master.
package listeners
