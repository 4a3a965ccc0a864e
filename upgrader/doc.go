// Package upgrader holds what must outlive a master: the listening sockets, and the
// way in which they, and everything else that makes an app, get from one master to
// the next: a Legacy, carried by tableflip (Flip), by exec in place (InPlace), or by
// a service manager's store (NewReceived). It is the only importer of tableflip.
//
// The master binds and holds the sockets and never accepts on them. They are
// kept out of the runtime's poller, for a socket in it would wake the master at
// each connection of a client.
package upgrader
