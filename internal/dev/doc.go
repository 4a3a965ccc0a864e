// Package dev is the loop of `relevo dev`: a save becomes a build, a good build a
// roll, and a failure leaves the serving workers alone.
//
// # A cycle
//
//	save → quiet (watch.Tree) → rules and build, each only if its inputs changed
//	     → the master rolls → one line is printed, and the browser reloads
//
// A save during a build cancels it, with its whole process group, if the build may have
// read the changed file. A save between the build and the roll is built first. A newer
// roll replaces one that is under way.
//
// # What decides
//
// plan decides which step is next, loops which file changes by itself, problems what
// the output of a compiler means, goSet which files a Go program consists of. All of
// them are pure. Dev is the one goroutine that owns the state.
package dev
