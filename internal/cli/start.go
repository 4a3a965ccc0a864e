package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"relevo/internal/apps"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/phrase"
	"relevo/internal/printable"
	"relevo/pool/machine"
)

func (c *cli) start() *cobra.Command {
	cmd := &cobra.Command{
		Use: "start [FILE.toml | NAME… | SCRIPT | DIRECTORY | -- COMMAND ARG…]", GroupID: "start",
		Short: "Start apps in the background, and wait until they serve",
		Long: `Start an app in the background, and wait until it serves. It is remembered: relevo list
shows it, relevo stop and relevo start NAME stop and start it, relevo delete forgets it.
A start that fails says why and leaves nothing behind.

The flags are those of relevo run. Arguments of the app itself follow a --.`,
		Example: "  relevo start app.js -i 4\n  relevo start -l :8080 -- ./server\n  relevo start web",
		Args:    cobra.ArbitraryArgs,
	}
	flags := c.appFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.startCommand(cmd, flags, args)
	}
	return cmd
}

// registry is where definitions lie.
func (c *cli) registry() apps.Places { return apps.Places{Places: c.places} }

// startCommand starts a command under a definition of its own.
func (c *cli) startCommand(cmd *cobra.Command, flags *appFlags, command []string) error {
	if len(command) > 0 {
		flags.texts["command"] = command
	}
	d, text, err := c.define(c.placeFor(cmd, flags), flags)
	if err != nil {
		return err
	}
	return c.startOne(cmd.Context(), d, text)
}

// define makes a definition of what the command line says, and the text of the configuration
// file where there is none.
func (c *cli) define(at place, flags *appFlags) (apps.Definition, []byte, error) {
	sources, err := c.sources(flags, c.container.fit(config.Default()), at)
	if err != nil {
		return apps.Definition{}, nil, err
	}
	app, _, err := resolve(sources)
	if err != nil {
		return apps.Definition{}, nil, err
	}
	d := apps.Definition{Name: app.Name, Dir: at.dir, Program: flags.texts["command"], Path: c.getenv("PATH")}
	if sources.File != nil {
		d.Config, d.Flags = sources.File.Absolute(), sources.Arguments()
		return d, nil, nil
	}
	d.Config = c.registry().Written(d.Name)
	return d, sources.Written(d.Name, c.getenv), nil
}

func (c *cli) startOne(ctx context.Context, d apps.Definition, text []byte) error {
	if err := c.refuseOther(d); err != nil {
		return err
	}
	program, err := ownProgram()
	if err != nil {
		return err
	}
	starter := apps.Starter{Places: c.registry(), Program: program, Env: apps.Environ(os.Environ(), c.places)}
	status, err := starter.Start(ctx, d, text)
	if failed := new(apps.FailedError); errors.As(err, &failed) {
		for _, line := range failed.Lines {
			fmt.Fprintln(c.stderr, printable.Text(line))
		}
	}
	if err != nil {
		return err
	}
	return c.printStarted(status)
}

// refuseOther says that another app has the name of a definition.
func (c *cli) refuseOther(d apps.Definition) error {
	former, err := c.registry().Load(d.Name)
	if err != nil || former == nil || sameApp(*former, d) {
		return err
	}
	return fmt.Errorf("cannot start %[1]s: the name is taken by %[2]s; --name chooses another, relevo delete %[1]s "+
		"gives it back", d.Name, describe(*former))
}

func sameApp(a, b apps.Definition) bool {
	return a.Config == b.Config && a.App == b.App && a.Dir == b.Dir && slices.Equal(a.Program, b.Program)
}

// describe names an app by what was started.
func describe(d apps.Definition) string {
	if len(d.Program) > 0 {
		return strings.Join(d.Program, " ") + " in " + d.Dir
	}
	return d.Config
}

// printStarted says what a person needs to know, and what to type next.
func (c *cli) printStarted(s control.Status) error {
	serving := 0
	for _, w := range s.Workers {
		if w.State == string(machine.Serving) {
			serving++
		}
	}
	var addresses []string
	for _, l := range s.Listeners {
		addresses = append(addresses, l.Address)
	}
	where := ""
	if len(addresses) > 0 {
		where = " on " + strings.Join(addresses, ", ")
	}
	name := c.paint(c.colorOut, bold, s.Name)
	fmt.Fprintf(c.stdout, "%s serves%s with %s\n", name, where, phrase.Count(serving, "worker"))
	for _, warning := range s.Warnings {
		fmt.Fprintln(c.stdout, "  "+c.paint(c.colorOut, yellow, warning))
	}
	fmt.Fprintf(c.stdout, "  output in %s\n", c.registry().LogDir(s.Name))
	_, err := fmt.Fprintf(c.stdout, "  next: relevo status %[1]s · relevo reload %[1]s · relevo stop %[1]s\n", s.Name)
	return err
}
