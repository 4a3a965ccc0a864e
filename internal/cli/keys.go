package cli

import (
	"errors"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"relevo/internal/dev/terminal"
)

// guardVerb makes this binary the process that restores the terminal.
const guardVerb = "__terminal"

// keyboard delivers keystrokes. keys is nil if there is no terminal.
type keyboard struct {
	keys  <-chan byte
	close func()
}

// readKeys reads keystrokes if both stdin and stderr are a terminal.
func (c *cli) readKeys(log *slog.Logger) (keyboard, error) {
	none := keyboard{close: func() {}}
	in, ok := c.stdin.(*os.File)
	if !ok || !isTerminal(in) || !isTerminal(c.stderr) {
		return none, nil
	}
	keys, err := terminal.Open(terminal.Options{In: in, Guard: []string{os.Args[0], guardVerb}})
	switch {
	case errors.Is(err, terminal.ErrNoTerminal):
		return none, nil
	case err != nil:
		log.Warn("keys are not read", "err", err)
		return none, nil
	}
	return keyboard{keys.C(), keys.Close}, nil
}

func (c *cli) terminalGuard() *cobra.Command {
	return &cobra.Command{
		Use: guardVerb, Hidden: true, Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return terminal.Guard(c.stdin) },
	}
}
