// Package nodecluster is the primary's side of Node's cluster protocol, for one worker. A
// Node program that calls server.listen asks its primary for the socket, over the channel of
// child_process, and gets a socket that the master holds.
//
// The protocol is Node's own and has no documentation but its sources: lib/internal/cluster
// and lib/internal/child_process.js of nodejs/node. Versions 18 to 26 speak the same. Each
// line is one JSON value. An object whose "cmd" begins with "NODE_" belongs to the protocol;
// every other value is a message of the program (process.send).
//
// Sockets are shared with the worker (SCHED_NONE): it accepts by itself, so the protocol is
// not involved in any client's connection.
package nodecluster
