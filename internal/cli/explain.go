package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/control"
	"relevo/internal/explain"
)

func (c *cli) explain() *cobra.Command {
	since := time.Hour
	printed := false
	cmd := c.talking("explain NAME…", "Tell in sentences what happened to apps, and what to do",
		func(ctx context.Context, args []string, asJSON bool) error {
			show := func(ctx context.Context, name string) (said, error) {
				story, err := c.story(ctx, name, since)
				if err == nil && !asJSON {
					if printed {
						fmt.Fprintln(c.stdout)
					}
					printed = true
					c.printStory(story)
				}
				return said{value: story}, err
			}
			return c.each(ctx, args, asJSON, several{does: running, do: show, none: noneRuns})
		})
	cmd.Long = `Tell in sentences how each app is, what happened to it lately (rolls and why they failed,
deaths, changes of the number of workers, repaired listeners), and what may be done about it.
The master remembers the last 100 of these; an upgrade of relevo does not forget them.`
	cmd.Args = between(1, 1000, "the NAME of each app")
	c.durationFlag(cmd, &since, "since", "only what is not older than this")
	return cmd
}

// story asks the master of an app.
func (c *cli) story(ctx context.Context, name string, since time.Duration) (explain.Story, error) {
	client, err := c.connect(ctx, name)
	if err != nil {
		return explain.Story{}, err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return explain.Story{}, err
	}
	entries, err := client.Recent(ctx)
	refused := new(control.Error)
	if errors.As(err, &refused) && refused.Exit == control.ExitUsage {
		return explain.Story{}, fmt.Errorf("cannot explain %s: its master is relevo %s, which does not remember; "+
			"relevo upgrade %s replaces it", name, status.Version, name)
	}
	if err != nil {
		return explain.Story{}, err
	}
	return explain.Tell(status, entries, time.Now().Add(-since)), nil
}

func (c *cli) printStory(s explain.Story) {
	for _, text := range s.Now {
		fmt.Fprintln(c.stdout, text)
	}
	if len(s.Happened) == 0 {
		fmt.Fprintf(c.stdout, "\nNothing happened since %s.\n", clock(s.Since))
	} else {
		fmt.Fprintf(c.stdout, "\nSince %s:\n", clock(s.Since))
	}
	for _, h := range s.Happened {
		fmt.Fprintf(c.stdout, "  %s  %s\n", c.paint(c.colorOut, dim, clock(h.Time)), h.Text)
		for _, line := range h.Output {
			fmt.Fprintf(c.stdout, "  %s  | %s\n", strings.Repeat(" ", len(clock(h.Time))), line)
		}
	}
	fmt.Fprintln(c.stdout)
	for _, text := range s.Do {
		fmt.Fprintln(c.stdout, text)
	}
}

// clock writes a time; it adds the date if that is not today.
func clock(at time.Time) string {
	at = at.Local()
	if y, m, d := time.Now().Date(); at.Year() == y && at.Month() == m && at.Day() == d {
		return at.Format(time.TimeOnly)
	}
	return at.Format(time.DateTime)
}
