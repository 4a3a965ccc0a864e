package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"relevo/internal/phrase"

	"github.com/spf13/cobra"
)

func (c *cli) scale() *cobra.Command {
	var fewer string
	cmd := c.talking("scale [NAME…] N|+N|-N|auto", "Change the number of workers, or let the load decide again",
		func(ctx context.Context, args []string, asJSON bool) error {
			if fewer != "" {
				args = append(args, fewer)
			}
			if len(args) < 1 {
				return usage(errors.New("cannot scale: how many workers are wanted? relevo scale [NAME…] N, +N, -N or auto"))
			}
			change := args[len(args)-1]
			for _, name := range args[:len(args)-1] {
				if _, err := strconv.Atoi(name); err == nil && !c.serves(name) {
					return usage(fmt.Errorf("cannot scale to %s and to %s: write one number", name, change))
				}
			}
			scale := func(ctx context.Context, name string) (said, error) { return c.scaleApp(ctx, name, change) }
			return c.each(ctx, args[:len(args)-1], asJSON, several{does: running, do: scale, none: noneRuns})
		})
	cmd.Example = "  relevo scale 8\n  relevo scale web +1\n  relevo scale web -1\n  relevo scale web auto"
	cmd.Args = cobra.ArbitraryArgs
	names := cmd.ValidArgsFunction
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		all, how := names(cmd, args, word)
		return append(all, "auto\tas many workers as the load needs"), how
	}
	cmd.Flags().StringVar(&fewer, fewerFlag, "", "")
	cmd.Flags().MarkHidden(fewerFlag)
	return cmd
}

func (c *cli) scaleApp(ctx context.Context, name, change string) (said, error) {
	client, err := c.connect(ctx, name)
	if err != nil {
		return said{}, err
	}
	if strings.Contains(change, "..") {
		return said{}, usage(fmt.Errorf("cannot scale %[1]s to %[2]s: relevo scale sets one number, as in relevo scale "+
			"%[1]s 3; for a number that follows the load write workers = %[2]q in its configuration, then relevo reload "+
			"%[1]s", client.Name(), change))
	}
	scaled, err := client.Scale(ctx, change)
	if err != nil {
		return said{}, err
	}
	text := fmt.Sprintf("%s: from %d to %s", client.Name(), scaled.From, phrase.Count(scaled.To, "worker"))
	if scaled.Auto {
		text += "; the load decides from now on"
	}
	return said{text: text, value: scaled}, nil
}

// fewerFlag carries the -N of scale, which pflag would read as a flag.
const fewerFlag = "fewer"

// scaleDown rewrites the -N of "scale web -N" into that flag.
func scaleDown(args []string) []string {
	if len(args) == 0 || args[0] != "scale" || slices.Contains(args, "--") {
		return args
	}
	rewritten := slices.Clone(args)
	for i, arg := range rewritten {
		if n, err := strconv.Atoi(arg); err == nil && n < 0 {
			rewritten[i] = "--" + fewerFlag + "=" + arg
		}
	}
	return rewritten
}
