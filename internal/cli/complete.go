package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/phrase"
)

// completer returns the words that the shell may offer; a tab separates a word from its
// description.
type completer = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective)

// completePatience bounds how long the shell waits for a master after Tab was pressed.
const completePatience = 2 * time.Second

// asking completes with words that a master knows. On an error it offers nothing: the shell cannot
// show it.
func (c *cli) asking(words func(ctx context.Context, client *control.Client) ([]string, error)) completer {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completePatience)
		defer cancel()
		client, err := c.connect(ctx, first(args))
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all, err := words(ctx, client)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

func slotsOf(ctx context.Context, client *control.Client) (all []string, err error) {
	status, err := client.Status(ctx)
	for _, w := range status.Workers {
		text := strconv.Itoa(w.Slot) + "\tworker " + w.ID + ", " + w.State
		if !slices.ContainsFunc(all, func(other string) bool { return sameWord(other, text) }) {
			all = append(all, text)
		}
	}
	return all, err
}

func workersOf(ctx context.Context, client *control.Client) (all []string, err error) {
	status, err := client.Status(ctx)
	for _, w := range status.Workers {
		all = append(all, fmt.Sprintf("%s\tslot %d, %s", w.ID, w.Slot, w.State))
	}
	return all, err
}

// releasesOf lists the releases that a rollback can go to.
func releasesOf(ctx context.Context, client *control.Client) (all []string, err error) {
	known, err := client.Releases(ctx)
	for _, r := range known.Releases {
		if r.Kept && !r.Serving {
			all = append(all, strings.TrimRight(phrase.Hash(r.SHA256)+"\t"+strings.TrimSpace(r.Version+" "+r.Verdict), "\t"))
		}
	}
	return all, err
}

func sameWord(a, b string) bool {
	a, _, _ = strings.Cut(a, "\t")
	b, _, _ = strings.Cut(b, "\t")
	return a == b
}

// completeSignal completes the name of an app, then a signal.
func (c *cli) completeSignal(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	all := []string{"HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "WINCH", "TTIN", "TTOU", "STOP", "CONT", "KILL"}
	if len(args) == 0 {
		names, _ := c.completeNames(cmd, args, word)
		all = append(names, all...)
	}
	if len(args) > 1 {
		all = nil
	}
	return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completeStart completes everything that relevo start takes: remembered apps, apps of relevo.toml,
// files.
func (c *cli) completeStart(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if dash := cmd.ArgsLenAtDash(); dash >= 0 && dash < len(args) { // cobra adds a -- of its own at the end
		return nil, cobra.ShellCompDirectiveDefault
	}
	names, _ := c.completeNames(cmd, args, word)
	if file := c.fileFor(cmd); file != nil {
		names = append(names, file.Apps()...)
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(name string) bool { return slices.Contains(args, name) })
	return names, cobra.ShellCompDirectiveDefault
}

// fileFor reads the configuration file that a command would read; nil: it cannot be read.
func (c *cli) fileFor(cmd *cobra.Command) *config.File {
	path := config.DefaultFile
	if flag := cmd.Flags().Lookup("config"); flag != nil && flag.Changed {
		path = flag.Value.String()
	}
	file, err := config.Load(path, logicalDir(c.getenv))
	if err != nil {
		return nil
	}
	return file
}

// ofFile completes with words from the configuration file.
func (c *cli) ofFile(words func(*config.File) []string) completer {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		file := c.fileFor(cmd)
		if file == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words(file), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlags registers completion for the flags that name a part of an app.
func (c *cli) completeFlags(cmd *cobra.Command) {
	for name, complete := range map[string]completer{
		"slot": c.asking(slotsOf), "id": c.asking(workersOf), "to": c.asking(releasesOf),
		"app": c.ofFile((*config.File).Apps), "profile": c.ofFile((*config.File).Profiles),
	} {
		if cmd.Flags().Lookup(name) != nil {
			cmd.RegisterFlagCompletionFunc(name, complete) // it fails only if the command has no such flag
		}
	}
	for _, below := range cmd.Commands() {
		c.completeFlags(below)
	}
}

// completeOne completes the only argument of a command with the names of apps.
func (c *cli) completeOne(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.completeNames(cmd, args, word)
}
