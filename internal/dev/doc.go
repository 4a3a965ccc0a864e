// Package dev is the loop of `relevo dev`: a save becomes a build, a good build a
// roll, and whatever fails leaves the workers that serve untouched.
//
// # A cycle
//
//	save → quiet (watch.Tree) → rules and build, each only if its inputs changed
//	     → a roll, asked of the master → one line, and the browser is told
//
// A save that comes while something is being built ends that, with its whole process
// group, if it changes what was read; one that comes while a build has ended but
// not everything is quiet is waited for. A roll that has begun is overtaken by a
// newer one.
//
// # What decides
//
// plan says which step is next, loops which file changes by itself, problems what
// the output of a compiler means, goSet what a Go program is made of: all of them
// are pure. Dev is the one goroutine that owns the state.
package dev
