// Package upgrader holds what must outlive a master: the listening sockets, and the
// way in which they, and everything else that makes an app, get from one master to
// the next: a Legacy. It goes one of four ways: tableflip (Flip), exec in place
// (InPlace), a socket at which the next master waits (Meeting, Flip.HandOver), or a
// service manager's store (NewReceived). This package is the only importer of tableflip.
//
// The master binds and holds the sockets and serves no connection on them. (Connections that wait
// at the seat of a dead worker, and that no other worker will get, are accepted and reset.) The
// sockets are kept out of the runtime's poller: in it, each connection of a client would wake the
// master.
package upgrader
