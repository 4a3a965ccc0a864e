// Command relevo is a zero-downtime process master; see README.md.
package main

import (
	"os"

	"relevo/internal/cli"
	"relevo/internal/launch"
	"relevo/internal/rescue"
)

func main() {
	if code, launching := launch.Main(os.Args); launching {
		os.Exit(code)
	}
	if code, relaying := rescue.Main(os.Args); relaying {
		os.Exit(code)
	}
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
