// Package nodecluster is the primary's side of Node's cluster protocol, for one worker:
// a Node program that calls server.listen asks its primary for the socket, over the
// channel of child_process, and gets one that the master holds.
//
// The protocol is Node's own and not documented. It is described by its sources,
// lib/internal/cluster and lib/internal/child_process.js of nodejs/node; 18 to 26 speak
// the same. Each line is one JSON value. An object whose "cmd" begins with "NODE_" is
// the protocol's; every other value is the program's (process.send).
//
// Sockets are shared with the worker (SCHED_NONE): it accepts by itself, and nothing of
// the protocol is in the way of its clients.
package nodecluster
