package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"relevo/internal/apps"
	"relevo/internal/control"
	"relevo/internal/printable"
)

// said is the result of a command for one app: a text, and a value for --json.
type said struct {
	text    string
	value   any
	despite bool // print the value after a failure, too
}

// several runs a command for each app that its words name.
type several struct {
	does    func(apps.App) bool // which apps a pattern or all selects
	atATime int                 // how many at the same time; 0: one
	do      func(ctx context.Context, name string) (said, error)
	none    string // printed if all selects no app
}

// severalArgs allows names, patterns and all as arguments.
func severalArgs(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	return cmd
}

// What is printed if all selects no app.
const (
	noneRuns  = "no apps run"
	noneKnown = "no apps"
)

// running and known select apps for patterns.
func running(a apps.App) bool { return a.Status != nil || a.State == apps.Silent }
func known(a apps.App) bool   { return running(a) || a.Definition != nil }

// each runs the command. The error for a single app is returned. For several apps each error is
// printed, and the exit code is that of the first error.
func (c *cli) each(ctx context.Context, words []string, asJSON bool, s several) error {
	names, one, err := c.named(ctx, words, s.does)
	if err != nil {
		return err
	}
	if len(names) == 0 && !asJSON {
		_, err := fmt.Fprintln(c.stdout, s.none)
		return err
	}
	values := make([]any, len(names))
	failures := make([]error, len(names))
	told := false
	var telling sync.Mutex
	var done sync.WaitGroup
	turns := make(chan struct{}, max(1, s.atATime))
	for i, name := range names {
		turns <- struct{}{}
		done.Go(func() {
			defer func() { <-turns }()
			said, err := s.do(ctx, name)
			telling.Lock()
			defer telling.Unlock()
			values[i], failures[i], told = said.value, err, asJSON && said.despite
			if err != nil && !said.despite {
				values[i] = map[string]any{"name": name, "error": printable.Text(err.Error())}
			}
			silent := new(exitOnly)
			switch {
			case errors.As(err, &silent): // its message was printed already
			case err != nil && !one:
				fmt.Fprintln(c.stderr, c.paint(c.color, red, "relevo:"), printable.Text(err.Error()))
			case err == nil && !asJSON && said.text != "":
				fmt.Fprintln(c.stdout, said.text)
			}
		})
	}
	done.Wait()
	if one && told {
		return errors.Join(c.printJSON(values[0]), failures[0])
	}
	return c.endEach(values, failures, one, asJSON)
}

// oneByOne runs a command that prints by itself, one app after the other. For several apps its JSON
// values are collected into one array, with a name in each element.
func (c *cli) oneByOne(ctx context.Context, words []string, s several, asJSON bool,
	do func(c *cli, name string) error) error {
	_, one, err := c.named(ctx, words, s.does)
	if err != nil {
		return err
	}
	s.do = func(_ context.Context, name string) (said, error) {
		var printed any
		collecting := *c
		collecting.collect = func(v any) { printed = v }
		err := do(&collecting, name)
		if !one && printed != nil {
			printed = withName(name, printed)
		}
		return said{value: printed, despite: printed != nil}, err
	}
	return c.each(ctx, words, asJSON, s)
}

// withName adds the app's name to an element of the array.
func withName(name string, v any) any {
	text, err := json.Marshal(v)
	fields := map[string]json.RawMessage{}
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	if err != nil || fields["name"] != nil {
		return v
	}
	fields["name"], _ = json.Marshal(name)
	return fields
}

func (c *cli) endEach(values []any, failures []error, one, asJSON bool) error {
	failed := slices.IndexFunc(failures, func(err error) bool { return err != nil })
	switch {
	case one && failed >= 0:
		return failures[0]
	case one && asJSON:
		return c.printJSON(values[0])
	case asJSON:
		if err := c.printJSON(values); err != nil {
			return err
		}
	}
	if failed >= 0 {
		return &exitOnly{control.ExitCode(failures[failed])}
	}
	return nil
}

// named finds the apps that words name; without words, the default app. one is true if the words
// name a single app without a pattern.
func (c *cli) named(ctx context.Context, words []string,
	does func(apps.App) bool) (names []string, one bool, err error) {
	if len(words) == 0 {
		return []string{""}, true, nil
	}
	if !slices.ContainsFunc(words, isPattern) {
		return slices.Compact(words), len(words) == 1, nil
	}
	all, err := c.allApps(ctx)
	if err != nil {
		return nil, false, err
	}
	var here []string
	for _, a := range all {
		if does(a) {
			here = append(here, a.Name)
		}
	}
	for _, word := range words {
		matched, err := choose(word, here)
		switch {
		case err != nil && isPattern(word):
			return nil, false, err
		case err != nil:
			matched = []string{word}
		}
		names = append(names, matched...)
	}
	slices.Sort(names)
	return slices.Compact(names), false, nil
}

// choose returns those names of here that a word matches.
func choose(word string, here []string) ([]string, error) {
	matched, ok := apps.Match([]string{word}, here)
	switch {
	case ok:
		return matched, nil
	case word == "all":
		return here, nil
	}
	return nil, &control.Error{Message: fmt.Sprintf("cannot find an app %s: there %s", word, whatIs(here)),
		Exit: control.ExitNotRunning}
}

func isPattern(word string) bool { return word == "all" || strings.ContainsAny(word, "*?[") }

func whatIs(names []string) string {
	switch len(names) {
	case 0:
		return "is none"
	case 1:
		return "is " + names[0]
	}
	return "are " + strings.Join(names, ", ")
}
