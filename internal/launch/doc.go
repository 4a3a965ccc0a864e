// Package launch starts workers and leads them out: environment and arguments, the
// release whose bytes a worker runs, the shim that execs it, how it becomes ready,
// its output, and the diagnosis if it does not start.
//
// The master starts itself as a small process that becomes the worker: see package shim.
package launch
