// Command relevo-fleet rolls a release over many machines, each with a relevo master, through an etcd that
// already runs.
package main

import (
	"os"

	"relevo/internal/fleet/relevo-fleet/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) }
