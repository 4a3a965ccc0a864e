package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/control"
)

// connect finds the master that is meant: by the given name, by RELEVO_NAME or ./relevo.toml, or
// because only one runs.
func (c *cli) connect(ctx context.Context, name string) (*control.Client, error) {
	if name == "" {
		var err error
		if name, err = c.defaultName(); err != nil {
			return nil, err
		}
	}
	if name == "" {
		running, err := c.running(ctx)
		if err != nil {
			return nil, err
		}
		switch len(running) {
		case 0:
			return nil, &control.Error{Message: "cannot find a running master in " + c.whereMastersAre(),
				Exit: control.ExitNotRunning}
		case 1:
			return running[0], nil
		}
		var names []string
		for _, client := range running {
			names = append(names, client.Name())
		}
		return nil, usage(fmt.Errorf("cannot tell which master is meant: %s run; name one", strings.Join(names, ", ")))
	}
	if err := checkName(name); err != nil { // an invalid name could lead to a socket elsewhere
		return nil, err
	}
	client, err := c.reach(ctx, name)
	if err != nil {
		return nil, c.nameOthers(ctx, name, err)
	}
	return client, nil
}

// defaultName is the name from the environment or ./relevo.toml; empty if neither gives one. A file
// with errors is accepted as long as its name can be read.
func (c *cli) defaultName() (string, error) {
	if name := c.getenv("RELEVO_NAME"); name != "" {
		return name, nil
	}
	file, err := defaultFile(logicalDir(c.getenv))
	switch {
	case err != nil:
		return "", invalid(err)
	case file == nil:
		return "", nil
	case len(file.Apps()) > 1:
		return "", usage(fmt.Errorf("cannot tell which app is meant: %s has %s; name one", config.DefaultFile,
			config.List(file.Apps())))
	case len(file.Apps()) == 1 && file.Err() == nil:
		file, err = file.Select(config.Selection{})
		return file.Name(), usage(err)
	case file.Name() == "":
		return "", invalid(file.Err())
	}
	return file.Name(), nil
}

// whereMastersAre is the runtime directory, with the reason if it is not the usual one.
func (c *cli) whereMastersAre() string {
	if c.places.Warning == "" {
		return c.places.Runtime
	}
	return c.places.Runtime + " (" + c.places.Warning + ")"
}

// nameOthers adds to "not running" how to start the app, or which apps run.
func (c *cli) nameOthers(ctx context.Context, name string, err error) error {
	if d, _ := c.registry().Load(name); d != nil && control.ExitCode(err) == control.ExitNotRunning {
		return &control.Error{Message: fmt.Sprintf("%v; relevo start %s starts it", err, name), Exit: control.ExitNotRunning}
	}
	if filepath.Ext(name) != "" && isFile(name) && control.ExitCode(err) == control.ExitNotRunning {
		return control.WithExit(notByFile(name), control.ExitNotRunning)
	}
	running, listErr := c.running(ctx)
	if listErr != nil || len(running) == 0 || control.ExitCode(err) != control.ExitNotRunning {
		return err
	}
	var names []string
	for _, client := range running {
		names = append(names, client.Name())
	}
	return &control.Error{Message: err.Error() + "; running: " + strings.Join(names, ", "), Exit: control.ExitNotRunning}
}

func checkName(name string) error {
	err := config.CheckName(name)
	if err != nil && isFile(name) {
		err = notByFile(name)
	}
	return usage(err)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// notByFile refuses the name of a file: in PM2's commands a file stands for its apps.
func notByFile(path string) error {
	return fmt.Errorf("cannot reach %q: it is a file, and apps are reached by their names; relevo list shows them", path)
}

// running returns a client for each master that answers.
func (c *cli) running(ctx context.Context) (clients []*control.Client, err error) {
	for i, places := range c.lookIn() {
		names, err := control.Names(places.Runtime)
		if err != nil && i == 0 {
			return nil, err
		}
		for _, name := range names {
			if client, err := control.Connect(ctx, places.ControlSocket(name)); err == nil {
				clients = append(clients, client)
			}
		}
	}
	return clients, nil
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// noArguments and atMostOne are cobra's checks with relevo's messages and exit code.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(fmt.Errorf("cannot use the argument %q: %s takes none", args[0], cmd.CommandPath()))
	}
	return nil
}

func atMostOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usage(fmt.Errorf("cannot use the argument %q: %s takes one %s at most", args[1], cmd.CommandPath(), what))
		}
		return nil
	}
}

// talking makes a command to a running master, with the flag that all of them have.
func (c *cli) talking(use, short string,
	do func(ctx context.Context, args []string, asJSON bool) error) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: use, Short: short, GroupID: "talk", Args: atMostOne("NAME"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if cmd.Args(cmd, append(args, word)) != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return c.completeNames(cmd, args, word)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return do(cmd.Context(), args, asJSON) }
	return cmd
}

// completeNames completes the names of apps that are remembered or have a master. The socket that a
// killed master has left does not count.
func (c *cli) completeNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), completePatience)
	defer cancel()
	names, _ := c.registry().Names()
	for _, places := range c.lookIn() {
		here, _ := control.Names(places.Runtime)
		names = append(names, slices.DeleteFunc(here, func(name string) bool {
			_, err := control.Connect(ctx, places.ControlSocket(name))
			return control.ExitCode(err) == control.ExitNotRunning
		})...)
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(name string) bool { return slices.Contains(args, name) })
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (c *cli) printJSON(v any) error {
	if c.collect != nil {
		c.collect(v)
		return nil
	}
	out := json.NewEncoder(c.stdout)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

func between(low, high int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < low || len(args) > high {
			return usage(fmt.Errorf("cannot run %s with %d arguments: it takes %s", cmd.CommandPath(), len(args), what))
		}
		return nil
	}
}
