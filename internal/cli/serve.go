package cli

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"relevo/internal/config"
	"relevo/internal/serve"
)

// defaultServeAddress is reachable from this machine only. Serving a directory to the network needs
// an explicit --listen.
const defaultServeAddress = "127.0.0.1:8080"

func (c *cli) serve() *cobra.Command {
	var o serve.Options
	cmd := &cobra.Command{
		Use: "serve [DIR] [flags]", GroupID: "start",
		Short: "Serve a directory, or a page that shows who answers, with the built-in worker",
		Long: `Serve the files of a directory with the built-in worker. Without a directory it
serves a page that shows live which worker and which generation answers, so that
one can watch a roll in the browser. It listens on ` + defaultServeAddress + ` unless told otherwise.`,
		Example: `  relevo serve                      open http://` + defaultServeAddress + ` and type relevo reload
  relevo serve ./public -l :80 -n 2
  relevo serve ./dist --spa         an app whose routes only the browser knows`,
		Args: atMostOne("DIR"),
	}
	flags := c.appFlags(cmd)
	cmd.Flags().BoolVar(&o.Hidden, "hidden", false, "serve files and directories that begin with a dot, too")
	cmd.Flags().BoolVar(&o.SinglePage, "spa", false,
		"answer paths that are not there, and have no file extension, with index.html: a single-page app")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := serveFlags(o, args); err != nil {
			return usage(err)
		}
		defaults, err := serveDefaults()
		if err != nil {
			return err
		}
		return c.runMaster(cmd, flags, func(at place) (config.Sources, error) {
			for _, flag := range []string{"hidden", "spa"} {
				if err := c.fromVariable(cmd.Flags(), flag); err != nil {
					return config.Sources{}, usage(err)
				}
			}
			command, err := builtinCommand(args, o, at.dir)
			if err != nil {
				return config.Sources{}, err
			}
			words := &appFlags{texts: maps.Clone(flags.texts)}
			words.texts["command"] = command
			return c.sources(words, c.container.fit(defaults), at)
		})
	}
	return cmd
}

// serveFlags refuses flags that have no effect without a directory.
func serveFlags(o serve.Options, args []string) error {
	switch {
	case o.Hidden && len(args) == 0:
		return errors.New("cannot serve hidden files: no directory is served; write relevo serve DIR --hidden, or leave " +
			"it out")
	case o.SinglePage && len(args) == 0:
		return errors.New("cannot serve a single-page app: no directory is served; write relevo serve DIR --spa")
	}
	return nil
}

// fromVariable sets a flag from its RELEVO_ variable, if the flag was not given.
func (c *cli) fromVariable(flags *pflag.FlagSet, name string) error {
	variable := "RELEVO_" + strings.ToUpper(name)
	text := c.getenv(variable)
	if text == "" || flags.Changed(name) {
		return nil
	}
	if err := flags.Set(name, text); err != nil {
		return fmt.Errorf("cannot use %q for --%s: write true or false (environment variable %s)", text, name, variable)
	}
	return nil
}

func serveDefaults() (config.App, error) {
	app := config.Default()
	listen, err := config.ParseListen(defaultServeAddress)
	app.Name, app.Listen = "serve", []config.Listen{listen}
	return app, err
}

// builtinVerb makes this binary the built-in worker.
const builtinVerb = "__serve"

func builtinCommand(args []string, o serve.Options, from string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find this program's own file: %w", err)
	}
	command := []string{self, builtinVerb, fmt.Sprintf("--hidden=%t", o.Hidden)}
	if o.SinglePage {
		command = append(command, "--spa")
	}
	if len(args) == 0 {
		return command, nil
	}
	dir := args[0]
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(from, dir)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		if err == nil {
			err = fmt.Errorf("it is not a directory")
		}
		return nil, usage(fmt.Errorf("cannot serve %s: %w", args[0], err))
	}
	if _, err := os.Stat(filepath.Join(dir, "index.html")); err != nil && o.SinglePage {
		return nil, usage(fmt.Errorf("cannot serve %s as a single-page app: it has no index.html; build the app first, or "+
			"name "+
			"the directory of the built files", args[0]))
	}
	return append(command, dir), nil
}

func (c *cli) builtinWorker() *cobra.Command {
	var o serve.Options
	cmd := &cobra.Command{
		Use: builtinVerb + " [DIR]", Hidden: true, Args: atMostOne("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.Dir = args[0]
			}
			return serve.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.Hidden, "hidden", false, "serve dot files")
	cmd.Flags().BoolVar(&o.SinglePage, "spa", false, "serve a single-page app")
	return cmd
}
