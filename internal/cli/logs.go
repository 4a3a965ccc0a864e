package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/apps"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/logfile"
	"relevo/internal/phrase"
)

// logsFlags say which lines are shown, and how.
type logsFlags struct {
	follow, out, err, json, time bool

	last  int // lines of each app; negative: all
	since time.Duration
	grep  string
}

func (c *cli) logs() *cobra.Command {
	var f logsFlags
	cmd := &cobra.Command{
		Use: "logs [NAME…]", GroupID: "talk", ValidArgsFunction: c.completeLogs,
		Short: "Show what workers print, from the log files",
		Long: `Show what workers print, from the files that output = "files" writes. Without NAME the
apps of relevo.toml are meant, or else every app; a NAME may hold * and ?.

The files are read as they are, so an app need not run. A line of an app's master has no
slot. docs/logs.md tells of files, rotation, and what is lost where a disk is full.`,
		Example: "  relevo logs -f\n  relevo logs web jobs --since 10m --grep 'GET /cart'\n" +
			"  relevo logs web --err -n 20 --json",
	}
	flags := cmd.Flags()
	flags.BoolVarP(&f.follow, "follow", "f", false, "print new lines as they come, until Ctrl-C")
	flags.VarP(numberFlag{&f.last, 0}, "lines", "n", "the last `N` lines of each app (default 100, with --since all)")
	c.durationFlag(cmd, &f.since, "since", "only lines that are not older than this")
	flags.BoolVar(&f.out, "out", false, "only what was written to stdout")
	flags.BoolVar(&f.err, "err", false, "only what was written to stderr")
	flags.StringVar(&f.grep, "grep", "", "only lines that match the regular expression `RE`")
	flags.BoolVarP(&f.time, "time", "t", false, "show times")
	flags.BoolVar(&f.json, "json", false, "print one JSON object a line")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !flags.Changed("lines") {
			if f.last = 100; f.since > 0 {
				f.last = -1
			}
		}
		return c.showLogs(cmd.Context(), args, f)
	}
	return cmd
}

// wanted returns the filter that the flags describe.
func (f logsFlags) wanted() (func(logfile.Record) bool, error) {
	var grep *regexp.Regexp
	if f.grep != "" {
		var err error
		if grep, err = regexp.Compile(f.grep); err != nil {
			return nil, usage(fmt.Errorf("cannot read %q as a regular expression: %w", f.grep, err))
		}
	}
	var since time.Time
	if f.since > 0 {
		since = time.Now().Add(-f.since)
	}
	return func(r logfile.Record) bool {
		ofStream := !f.out && !f.err || f.out && r.Stream == logfile.Out || f.err && r.Stream == logfile.Err
		return ofStream && !r.Time.Before(since) && (grep == nil || grep.MatchString(r.Text))
	}, nil
}

// loggedNames lists the apps that match the patterns and write log files, or have.
func (c *cli) loggedNames(patterns []string) (names []string, err error) {
	entries, err := os.ReadDir(c.places.State)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, apps.LookFailed(err)
	}
	for _, e := range entries {
		if config.CheckName(e.Name()) != nil || !matches(patterns, e.Name()) {
			continue
		}
		if _, err := os.Stat(c.places.Logs(e.Name())); err == nil || !errors.Is(err, fs.ErrNotExist) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// present drops the names of apps that were deleted; their log files may be there still.
func (c *cli) present(names []string) []string {
	list, _ := c.askApps()
	here, err := list()
	if err != nil {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(here, name) })
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok || p == "all"
	})
}

// logged is loggedNames, and returns an error if a pattern matches no app; if each is false, only
// if no pattern matches.
func (c *cli) logged(patterns []string, each bool) ([]string, error) {
	names, err := c.loggedNames(patterns)
	if err != nil {
		return nil, err
	}
	if !each && len(names) > 0 {
		return names, nil
	}
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return nil, usage(fmt.Errorf("cannot read %q as a name or a pattern", p))
		}
		if !slices.ContainsFunc(names, func(name string) bool { return matches([]string{p}, name) }) {
			return nil, c.noLogFiles(p)
		}
	}
	return names, nil
}

// noLogFiles is the error for a name or a pattern without log files: there is no such app, or it
// writes none.
func (c *cli) noLogFiles(name string) error {
	if err := c.noSuchApp(name); err != nil {
		return err
	}
	what := "of " + name
	if name == "all" || name == "*" {
		what = "of any app"
	}
	return &control.Error{Exit: control.ExitFailure, Message: fmt.Sprintf("cannot find log files %s in %s: "+
		`output = "files" in relevo.toml writes them, relevo start does; under systemd journalctl -u NAME shows the output`,
		what, c.places.State)}
}

// noSuchApp returns an error if there is no app with this name: none that runs, none that is
// remembered, and none that has left something in the state directory.
func (c *cli) noSuchApp(name string) error {
	if isPattern(name) {
		return nil
	}
	if _, err := os.Lstat(c.places.AppState(name)); config.CheckName(name) == nil && !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	known, err := c.knownNames()
	if err != nil || slices.Contains(known, name) {
		return err
	}
	_, err = choose(name, known)
	if near := config.Nearest(name, known); near != "" && len(known) > 1 {
		err = control.WithExit(fmt.Errorf("%w; did you mean %s?", err, near), control.ExitNotRunning)
	}
	return err
}

// knownNames are the names of apps that run, are remembered, or have log files.
func (c *cli) knownNames() ([]string, error) {
	logged, err := c.loggedNames([]string{"all"})
	if err != nil {
		return nil, err
	}
	names, _ := c.askApps()
	known, err := names()
	known = append(known, logged...)
	slices.Sort(known)
	return slices.Compact(known), err
}

// patterns returns the arguments. Without arguments it returns the default app, or all apps of a
// relevo.toml that has several.
func (c *cli) patterns(args []string) ([]string, error) {
	if len(args) > 0 {
		return args, nil
	}
	if c.getenv("RELEVO_NAME") == "" {
		if file, err := defaultFile(logicalDir(c.getenv)); err == nil && file != nil && len(file.Apps()) > 1 {
			return file.Apps(), nil
		}
	}
	name, err := c.defaultName()
	return []string{cmp.Or(name, "all")}, err
}

func (c *cli) completeLogs(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	names, _ := c.loggedNames([]string{"all"})
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) })
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (c *cli) flush() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "flush NAME…", GroupID: "talk", ValidArgsFunction: c.completeLogs,
		Short: "Remove the log files of apps; a running app continues in a new file",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(errors.New("cannot flush without a name: relevo flush NAME, or relevo flush all"))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.flushLogs(cmd.Context(), args, asJSON) }
	return cmd
}

// flushed is the result of relevo flush for one app.
type flushed struct {
	Name    string `json:"name"`
	Removed int    `json:"removed"`
}

func (c *cli) flushLogs(ctx context.Context, args []string, asJSON bool) error {
	names, err := c.logged(args, true)
	if err != nil {
		return err
	}
	all := []flushed{}
	for _, name := range names {
		removed, err := logfile.Flush(c.places.Logs(name))
		if err != nil {
			return fmt.Errorf("%w (app %s)", err, name)
		}
		all = append(all, flushed{name, removed})
		if !asJSON {
			fmt.Fprintf(c.stdout, "%s: removed %s\n", name, phrase.Count(removed, "file"))
		}
	}
	if asJSON {
		return c.printJSON(all)
	}
	return ctx.Err()
}
