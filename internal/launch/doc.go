// Package launch starts workers and leads them out: environment and arguments, the
// release whose bytes a worker runs, the shim that execs it, how it becomes ready,
// its output, and the diagnosis if it does not start.
//
// The master starts itself as a small process, the shim, that sets what only the
// child can set (LISTEN_PID above all, which must be the worker's own pid) and
// then execs the worker's command; see Main.
package launch
