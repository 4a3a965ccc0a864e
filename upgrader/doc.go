// Package upgrader holds what must outlive a master: the listening sockets, kept
// in tableflip's table of files so that the next master of a succession can
// inherit them. It is the only importer of tableflip.
//
// The master binds and holds the sockets and never accepts on them. They are
// kept out of the runtime's poller, for a socket in it would wake the master at
// each connection of a client.
package upgrader
