package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// refuseUnknown has cobra's own commands, help and completion, refuse words that they do not know.
// Without it they print their help, and succeed.
func refuseUnknown(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Args = knownCommand
		case "completion":
			cmd.Args, cmd.RunE = knownShell, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			for _, shell := range cmd.Commands() {
				shell.Args = noArguments
			}
		}
	}
}

func knownCommand(cmd *cobra.Command, args []string) error {
	root := cmd.Root()
	if found, rest, err := root.Find(args); err == nil && found == root {
		return unknownCommand(root, rest)
	}
	return nil
}

func knownShell(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage(fmt.Errorf("cannot make completions for %q: write relevo completion bash, zsh, fish or powershell",
		args[0]))
}
