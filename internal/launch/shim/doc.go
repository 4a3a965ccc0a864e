// Package shim is the small process that becomes a worker. The master starts its own program
// once more, with Variable in the environment. That process sets what only the child can set
// (LISTEN_PID above all, which must be the worker's own process ID), and then execs the worker's
// command.
//
// Every start of a worker waits for the shim, so it has to be quick. Most of the time that a
// large Go program takes to start is the initialisation of its packages, of which the shim needs
// none. It runs therefore while this package is initialised, and never comes to the others: Go
// initialises packages in the order of their import paths, each as soon as those that it imports
// are done (go.dev/ref/spec#Program_initialization). For the same reason this package, and what
// it imports, may import nothing but syscall, unsafe and what is initialised before syscall:
// package os would come after about sixty others.
//
// Initialisation runs on the main thread, which stays locked to its goroutine. The shim relies
// on that, because the filter for binds and, on Linux, the nice value belong to a thread.
package shim
