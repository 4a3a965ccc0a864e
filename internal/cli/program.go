package cli

import (
	"os"

	"relevo/internal/launch"
	"relevo/internal/rescue"
)

// Program is the whole of relevo: depending on args it is the shim of a worker, the relay of a
// departed worker, or a command. It returns the exit code.
func Program(args []string) int {
	if code, launching := launch.Main(args); launching {
		return code
	}
	if code, relaying := rescue.Main(args); relaying {
		return code
	}
	return Main(args[1:], os.Stdin, os.Stdout, os.Stderr)
}
