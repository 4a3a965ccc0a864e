// Package launch is how a worker comes to life: its environment and arguments,
// the release whose bytes it runs, the launcher that execs it, the words by which
// it gets known as ready, what it prints, and the diagnosis where it does not
// start.
//
// The master starts itself as a small launcher process that sets what only the
// child can set (LISTEN_PID above all, which must be the worker's own pid) and
// then execs the worker's command; see Main.
package launch
