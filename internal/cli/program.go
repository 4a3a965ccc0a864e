package cli

import (
	"os"

	"relevo/internal/rescue"
)

// Program is the whole of relevo, but for the shim of a worker: depending on args it is the relay
// of a departed worker, or a command. It returns the exit code.
func Program(args []string) int {
	if code, relaying := rescue.Main(args); relaying {
		return code
	}
	return Main(args[1:], os.Stdin, os.Stdout, os.Stderr)
}
