package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestForeignWords: every answer names commands and flags that exist. No foreign word is a command
// of relevo, and no foreign flag one of relevo start.
func TestForeignWords(t *testing.T) {
	root := (&cli{getenv: os.Getenv}).root()
	for word := range foreignWords() {
		if found, _, err := root.Find([]string{word}); err == nil && found != root {
			t.Errorf("%s is a command of relevo", word)
		}
	}
	start, _, err := root.Find([]string{"start"})
	if err != nil {
		t.Fatal(err)
	}
	for name := range foreignFlags() {
		if start.Flags().Lookup(name) != nil {
			t.Errorf("--%s is a flag of relevo start", name)
		}
	}
	answersExist(t, root, foreignWords())
	answersExist(t, root, foreignFlags())
}

func answersExist(t *testing.T, root *cobra.Command, answers map[string]string) {
	t.Helper()
	command := regexp.MustCompile(`relevo ([a-z]+)`)
	flag := regexp.MustCompile(`--([a-z-]{2,})`)
	for word, answer := range answers {
		answer, _, _ = strings.Cut(answer, " -- ") // another program's arguments
		named := command.FindAllStringSubmatch(answer, -1)
		flags := map[string]bool{}
		for _, match := range named {
			if slices.Contains([]string{"keeps", "waits", "starts", "itself", "completion"}, match[1]) {
				continue // no command, or one that cobra adds when it runs
			}
			found, _, err := root.Find([]string{match[1]})
			if err != nil || found == root {
				t.Errorf("%s: relevo %s does not exist", word, match[1])
				continue
			}
			for _, f := range flag.FindAllStringSubmatch(answer, -1) {
				flags[f[1]] = flags[f[1]] || found.Flags().Lookup(f[1]) != nil
			}
		}
		for name, exists := range flags {
			if !exists {
				t.Errorf("%s: none of the commands has --%s", word, name)
			}
		}
	}
}

// TestNotFound: the right word comes before the nearest one.
func TestNotFound(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"server.js", "app"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string]string{
		"imonit":      "relevo monit",
		"save":        "relevo startup",
		"up app.js":   "relevo start",
		"respawn":     "relevo reload",
		"reset web":   "nothing resets",
		"link":        "no service",
		"remove web":  "relevo delete",
		"enable":      "relevo startup",
		"jlist":       "relevo list",
		"desc web":    "relevo status",
		"kill":        "relevo stop --force",
		"resurrect":   "relevo startup",
		"ecosystem":   "relevo.toml",
		"enable web":  "relevo install",
		"reread":      "relevo reload",
		"inc":         "relevo scale +1",
		"server.js x": "relevo run server.js x",
		"app x":       "relevo run -- ./app x",
		"statsu":      "did you mean status?",
		"xyzzy":       "see relevo --help",
	} {
		root := (&cli{getenv: os.Getenv}).root()
		root.SetArgs(strings.Fields(line))
		if err := root.Execute(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("relevo %s: %v, want %q", line, err, want)
		}
	}
}
