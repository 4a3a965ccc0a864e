package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"relevo/internal/config"
)

// TestShownLinesParse: every command line in the docs and in the help uses commands and flags that
// exist.
func TestShownLinesParse(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) < 10 {
		t.Fatalf("only %d pages, %v", len(pages), err)
	}
	lines := map[string]string{} // with the place of each
	for _, page := range append(pages, "../../README.md") {
		for i, block := range strings.Split(readPage(t, page), "\n```") {
			for line := range strings.Lines(block) {
				if i%2 == 1 {
					lines[line] = page
				}
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
		for _, end := range []string{"   ", " | ", " · ", "; "} { // an explanation or the next command follows
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
		} else if args := cmd.Flags().Args(); cmd.Args != nil && cmd.Flags().ArgsLenAtDash() < 0 &&
			cmd.Args(cmd, args) != nil {
			t.Errorf("%s: %q: %v", where, line, cmd.Args(cmd, args))
		}
	}
	if count < 50 {
		t.Errorf("only %d command lines are shown", count)
	}
}

func readPage(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCommandsPage: docs/commands.md has a section for each command, with all its flags, and for
// nothing else. Flags that are settings are in docs/configuration.md.
func TestCommandsPage(t *testing.T) {
	const path = "../../docs/commands.md"
	sections := map[string]string{}
	for _, part := range strings.Split(readPage(t, path), "\n## ")[1:] {
		heading, text, _ := strings.Cut(part, "\n")
		if name, isCommand := strings.CutPrefix(heading, "relevo "); isCommand {
			sections[name] = text
		}
	}
	root := (&cli{getenv: os.Getenv}).root()
	root.InitDefaultCompletionCmd("completion")
	root.InitDefaultHelpCmd()
	settings := map[string]bool{"instances": true, "config": true, "app": true, "profile": true} // of run, serve and dev
	for _, s := range config.Settings() {
		settings[s.Flag] = true
	}
	for _, cmd := range root.Commands() {
		if cmd.Hidden {
			continue
		}
		text, has := sections[cmd.Name()]
		if !has {
			t.Errorf("%s has no section %q", path, "## "+cmd.CommandPath())
		}
		delete(sections, cmd.Name())
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			common := f.Hidden || f.Name == "json" || f.Name == "help" ||
				settings[f.Name] && cmd.Flags().Lookup("drain-timeout") != nil
			if !common && !strings.Contains(text, "--"+f.Name) {
				t.Errorf("%s: the section of %s does not name --%s", path, cmd.Name(), f.Name)
			}
		})
	}
	for name := range sections {
		t.Errorf("%s has a section of relevo %s, which does not exist", path, name)
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
