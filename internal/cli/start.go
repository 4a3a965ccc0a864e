package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"relevo/internal/apps"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/runtimes"
)

func (c *cli) start() *cobra.Command {
	var all, asJSON bool
	cmd := &cobra.Command{
		Use: "start [FILE | NAME… | SCRIPT | DIRECTORY | -- COMMAND ARG…]", GroupID: "start",
		Short: "Start apps in the background, and wait until they serve",
		Long: `Start apps in the background, and wait until they serve. They are remembered: relevo
list shows them, relevo stop and relevo start NAME stop and start them, relevo delete
forgets them. A start that fails says why and leaves nothing behind.

Without an argument it starts the apps of ./relevo.toml. Names, or patterns such as
"web*", choose apps of that file or remembered apps; all means every remembered app.
FILE is a relevo.toml, PM2's ecosystem.config.js (.cjs, .mjs, .json, .yml) or package.json,
or a Procfile. Files of other programs are imported; what has no counterpart is printed.
The flags are those of relevo run; with a NAME they also count for later starts.
Arguments of the app itself follow a --.`,
		Example: "  relevo start app.js -i 4\n  relevo start -l :8080 -- ./server\n  relevo start web\n  relevo start --all",
		Args:    cobra.ArbitraryArgs, ValidArgsFunction: c.completeStart,
	}
	flags := c.appFlags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "every app that is remembered and does not run")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		words := apps.Words{Args: args, Dash: cmd.ArgsLenAtDash(), All: all}
		if err := c.refuseBackground(os.Getpid(), os.Getppid()); err != nil {
			return err
		}
		if err := refuseForeign(words); err != nil {
			return err
		}
		wish := c.newWish(cmd, flags, words)
		if isForeign(words) {
			wanted, err := wish.ofForeign(cmd.Context())
			if err != nil {
				return err
			}
			return c.startTogether(cmd.Context(), wanted, asJSON)
		}
		wanted, err := wish.resolve()
		if err != nil {
			return err
		}
		if all || len(args) == 1 && args[0] == "all" {
			wanted = c.thoseThatDoNotRun(cmd.Context(), wanted)
		}
		return c.startTogether(cmd.Context(), wanted, asJSON)
	}
	return cmd
}

// refuseBackground returns an error where no app can run in the background.
func (c *cli) refuseBackground(pid, parent int) error {
	started := c.getenv("SYSTEMD_EXEC_PID")
	if started == fmt.Sprint(pid) || started == fmt.Sprint(parent) {
		return errors.New("cannot start in the background of a service: systemd ends what it leaves behind; " +
			"relevo run is for ExecStart=, relevo unit prints a whole unit")
	}
	kept := c.getenv("HOME") + c.getenv("XDG_STATE_HOME") + c.getenv("RELEVO_STATE_DIR")
	if kept == "" && os.Geteuid() != 0 {
		return errors.New("cannot remember what is started: HOME is not set; set it, or RELEVO_STATE_DIR")
	}
	return nil
}

// registry is where definitions are kept.
func (c *cli) registry() apps.Places { return apps.Places{Places: c.places} }

// startScript turns "relevo app.js" into "relevo start app.js", if app.js is a script, a package or
// a configuration file and no command has that name.
func startScript(root *cobra.Command, args []string) []string {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return args
	}
	if found, _, err := root.Find(args[:1]); err == nil && found != root {
		return args
	}
	dir := logicalDir(os.Getenv)
	if _, err := os.Stat(args[0]); err != nil {
		return args
	}
	isFile := strings.HasSuffix(args[0], ".toml")
	if !isFile && !runtimes.IsRunnable(newLocalMachine(config.App{Dir: dir}), dir, args[0]) {
		return args
	}
	return append([]string{"start"}, args...)
}

// thoseThatDoNotRun drops the apps whose master answers.
func (c *cli) thoseThatDoNotRun(ctx context.Context, all []apps.Wanted) []apps.Wanted {
	return slices.DeleteFunc(all, func(w apps.Wanted) bool {
		client, err := c.reach(ctx, w.Name)
		if err != nil {
			return false
		}
		_, err = client.Status(ctx)
		return err == nil
	})
}

// startTogether starts apps and reports on each.
func (c *cli) startTogether(ctx context.Context, all []apps.Wanted, asJSON bool) error {
	for _, w := range all {
		if err := c.refuseOther(w.Definition); err != nil && w.Err == nil {
			return err
		}
	}
	program, err := ownProgram()
	if err != nil {
		return err
	}
	ctx, end := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer end()
	starter := apps.Starter{Places: c.registry(), Program: program, Env: apps.Environ(os.Environ(), c.places),
		Manage: c.startManaged}
	told := startReport{cli: c, several: len(all) != 1, Started: []control.Status{}, Failed: map[string]string{}}
	failed := starter.StartAll(ctx, all, told.tell(asJSON))
	switch {
	case asJSON:
		err = c.printJSON(told)
	case told.failure != nil:
		return told.failure
	case len(all) == 0:
		_, err = fmt.Fprintln(c.stdout, "every app that is remembered runs")
	case told.several:
		_, err = fmt.Fprintln(c.stdout, "next: relevo list")
	}
	if err == nil && failed > 0 {
		err = &exitOnly{control.ExitFailure}
	}
	return err
}

// refuseOther refuses a name that is already used in another app's definition.
func (c *cli) refuseOther(d apps.Definition) error {
	former, err := c.registry().Load(d.Name)
	if err != nil || former == nil || former.SameApp(d) {
		return err
	}
	return fmt.Errorf("cannot start %[1]s: the name is taken by %[2]s; --name chooses another, relevo delete %[1]s "+
		"gives it back", d.Name, former)
}
