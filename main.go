// Command relevo is a zero-downtime process master; see README.md.
package main

import (
	"os"

	"relevo/internal/cli"
)

func main() { os.Exit(cli.Program(os.Args)) }
