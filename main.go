// An idle master sleeps: without this line the Go runtime would wake it each minute, to look
// whether the number of processors has changed.

//go:debug updatemaxprocs=0

// Command relevo is a zero-downtime process master; see README.md.
package main

import (
	"os"

	"relevo/internal/cli"
	_ "relevo/internal/launch/shim" // becomes a worker, and never comes to main, if it was started for that
)

func main() { os.Exit(cli.Program(os.Args)) }
