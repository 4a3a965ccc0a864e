package cli

import (
	"strings"
	"testing"

	"relevo/internal/control"
)

// TestHelpAndCompletionRefuseUnknownWords: cobra's own commands, as relevo's, say what they do not know.
func TestHelpAndCompletionRefuseUnknownWords(t *testing.T) {
	emptyPlaces(t)
	for args, want := range map[string]string{
		"help relod":            `cannot find the command "relod"; did you mean reload?`,
		"completion tcsh":       `cannot make completions for "tcsh": write relevo completion bash, zsh, fish or powershell`,
		"completion bash extra": `cannot use the argument "extra": relevo completion bash takes none`,
	} {
		code, out, said := command(t, strings.Fields(args)...)
		if code != control.ExitUsage || out != "" || !strings.Contains(said, want) {
			t.Errorf("%s: exit code %d, want %d\nout: %s\nsaid: %swant: %s", args, code, control.ExitUsage, out, said, want)
		}
	}
	for args, want := range map[string]string{
		"help reload": "relevo reload", "help": "Usage:", "completion": "Available Commands:",
		"completion bash": "bash completion V2 for relevo", "help completion bash": "relevo completion bash",
	} {
		code, out, said := command(t, strings.Fields(args)...)
		if code != control.ExitOK || said != "" || !strings.Contains(out, want) {
			t.Errorf("%s: exit code %d, without %q\nout: %.300s\nsaid: %s", args, code, want, out, said)
		}
	}
}
