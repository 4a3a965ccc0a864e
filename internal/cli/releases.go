package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/control"
	"relevo/internal/phrase"
)

func (c *cli) releases() *cobra.Command {
	var prune bool
	cmd := c.talking("releases [NAME]", "List the releases that a rollback can go to",
		func(ctx context.Context, args []string, asJSON bool) error {
			if prune {
				return c.prune(ctx, first(args), asJSON)
			}
			client, err := c.connect(ctx, first(args))
			if err != nil {
				return err
			}
			known, err := client.Releases(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return c.printJSON(known)
			}
			return c.printReleases(known.Releases)
		})
	cmd.Long = `List the executables that have served, the one last used first. A copy is kept of
the last few (keep_releases), so that a rollback works when the file is gone. If
an interpreter runs a script, the release is the script.`
	cmd.Flags().BoolVar(&prune, "prune", false,
		"remove the copies that nothing uses, but for the last good one; the app need not run")
	return cmd
}

func (c *cli) printReleases(known []control.Release) error {
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "HASH\tVERSION\tSIZE\tLAST USED\tVERDICT\tNOTE")
	for _, r := range known {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", phrase.Hash(r.SHA256), or(r.Version, "-"), sizeText(r.Size),
			r.LastUsed.Local().Format(time.DateTime), or(r.Verdict, "-"), releaseNote(r))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("cannot print the releases: %w", err)
	}
	return nil
}

func releaseNote(r control.Release) string {
	if r.Directory != "" {
		where := r.Directory
		r.Directory = ""
		if note := releaseNote(r); note != "" {
			return note + "; " + where
		}
		return where
	}
	switch {
	case r.Serving && r.Reason == "":
		return "serving"
	case r.Serving:
		return "serving; " + r.Reason
	case !r.Kept && r.Reason == "":
		return "no copy kept"
	case !r.Kept:
		return r.Reason + " (no copy kept)"
	}
	return r.Reason
}

// sizeText formats a number of bytes in binary units.
func sizeText(bytes int64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	case bytes >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%d B", bytes)
}
