package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestShownLinesParse: every command line of README and help names a command and
// flags that exist.
func TestShownLinesParse(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{} // and where they stand
	for i, block := range strings.Split(string(readme), "\n```") {
		for line := range strings.Lines(block) {
			if i%2 == 1 {
				lines[line] = "README.md"
			}
		}
	}
	for _, cmd := range all((&cli{getenv: os.Getenv}).root()) {
		for line := range strings.Lines(cmd.Example) {
			lines[line] = cmd.CommandPath() + " --help"
		}
	}
	shown := regexp.MustCompile(`^\s*(?:\$ )?(?:sudo )?(?:\./)?relevo ([a-z]+)(.*)`)
	count := 0
	for line, where := range lines {
		found := shown.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		count++
		rest := found[2]
		for _, end := range []string{"   ", " | ", " · "} { // what explains it, or follows
			rest, _, _ = strings.Cut(rest, end)
		}
		root := (&cli{getenv: os.Getenv}).root()
		cmd, _, err := root.Find([]string{found[1]})
		if err != nil || cmd == root {
			t.Errorf("%s: %q: no such command", where, line)
			continue
		}
		if err := cmd.ParseFlags(proxyAddress(scaleDown(append([]string{found[1]}, shellWords(rest)...)))[1:]); err != nil {
			t.Errorf("%s: %q: %v", where, line, err)
		} else if args := cmd.Flags().Args(); cmd.Args != nil && cmd.Flags().ArgsLenAtDash() < 0 && cmd.Args(cmd, args) != nil {
			t.Errorf("%s: %q: %v", where, line, cmd.Args(cmd, args))
		}
	}
	if count < 20 {
		t.Errorf("only %d command lines are shown", count)
	}
}

func all(cmd *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{cmd}
	for _, child := range cmd.Commands() {
		list = append(list, all(child)...)
	}
	return list
}

// shellWords splits a line at white space outside of single quotes.
func shellWords(line string) (words []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}
