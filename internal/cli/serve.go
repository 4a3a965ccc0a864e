package cli

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/serve"
)

// defaultServeAddress is reachable from this machine only: who wants to show a
// directory to the network says so.
const defaultServeAddress = "127.0.0.1:8080"

func (c *cli) serve() *cobra.Command {
	var hidden bool
	cmd := &cobra.Command{
		Use: "serve [DIR] [flags]", GroupID: "start",
		Short: "Serve a directory, or a page that shows who answers, with the built-in worker",
		Long: `Serve the files of a directory with the built-in worker. Without a directory it
serves a page that shows live which worker and which generation answers, so that
one can watch a roll in the browser. It listens on ` + defaultServeAddress + ` unless told otherwise.`,
		Example: `  relevo serve                      open http://` + defaultServeAddress + ` and type relevo reload
  relevo serve ./public -l :80 -n 2`,
		Args: atMostOne("DIR"),
	}
	flags := c.appFlags(cmd)
	cmd.Flags().BoolVar(&hidden, "hidden", false, "serve files and directories that begin with a dot, too")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if hidden && len(args) == 0 {
			return usage(errors.New("cannot serve hidden files: no directory is served; write relevo serve DIR " +
				"--hidden, or leave it out"))
		}
		defaults, err := serveDefaults()
		if err != nil {
			return err
		}
		return c.runMaster(cmd, flags, func(at place) (config.Sources, error) {
			if text := c.getenv("RELEVO_HIDDEN"); text != "" && !cmd.Flags().Changed("hidden") {
				if err := cmd.Flags().Set("hidden", text); err != nil {
					return config.Sources{},
						usage(fmt.Errorf("cannot use %q for --hidden: write true or false (environment variable RELEVO_HIDDEN)", text))
				}
			}
			command, err := builtinCommand(args, hidden, at.dir)
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

func serveDefaults() (config.App, error) {
	app := config.Default()
	listen, err := config.ParseListen(defaultServeAddress)
	app.Name, app.Listen = "serve", []config.Listen{listen}
	return app, err
}

// builtinVerb makes this binary the built-in worker.
const builtinVerb = "__serve"

func builtinCommand(args []string, hidden bool, from string) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find this program's own file: %w", err)
	}
	command := []string{self, builtinVerb, fmt.Sprintf("--hidden=%t", hidden)}
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
	return cmd
}
