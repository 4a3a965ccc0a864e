// Package master is one app's life: it wires listeners, launcher, pool, control
// socket, binary watch and systemd together, and turns signals into requests. It
// is the only package that knows them all.
package master
