package cli

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/pflag"

	"relevo/internal/config"
	"relevo/internal/runtimes"
	"relevo/internal/serve"
)

// servedBy replaces a command "relevo serve DIR" by the built-in worker, so that no second master
// runs inside the first.
func servedBy(app config.App) (c runtimes.Command, is bool, err error) {
	if len(app.Command) < 2 || app.Command[0] != "relevo" || app.Command[1] != "serve" {
		return c, false, nil
	}
	var o serve.Options
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	flags.BoolVar(&o.Hidden, "hidden", false, "")
	flags.BoolVar(&o.SinglePage, "spa", false, "")
	flags.Usage = func() {}
	if err := flags.Parse(app.Command[2:]); err != nil {
		return c, true, fmt.Errorf("cannot run relevo serve: %w; --hidden and --spa are its own here, the others are "+
			"settings "+
			"of the app", err)
	}
	if err := serveFlags(o, flags.Args()); err != nil {
		return c, true, err
	}
	if len(flags.Args()) > 1 {
		return c, true, fmt.Errorf("cannot run relevo serve %s: it takes one directory", flags.Arg(0))
	}
	if len(app.Listen) == 0 {
		return c, true, fmt.Errorf("cannot run relevo serve: it has no address; listen = [%q] has one", defaultServeAddress)
	}
	name := "serve"
	if flags.NArg() == 1 {
		name = filepath.Base(filepath.Join(app.Dir, flags.Arg(0)))
	}
	c.Args, err = builtinCommand(flags.Args(), o, app.Dir)
	c.Name = name
	return c, true, err
}
