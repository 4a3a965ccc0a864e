package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/config"
)

// glance is the interval at which apps are looked at while a command waits for them.
const glance = 50 * time.Millisecond

func (c *cli) wait() *cobra.Command {
	timeout := 30 * time.Second
	var asJSON bool
	cmd := &cobra.Command{
		Use: "wait NAME…", GroupID: "talk", ValidArgsFunction: c.completeNames,
		Short: "Wait until apps serve",
		Long: `Wait until each of the apps serves. It exits with 1 where that takes longer than
--timeout. A name may be that of an app that is not there yet; patterns and all are those
that are remembered or run.`,
		Example: "  relevo wait db && ./migrate\n  relevo wait db cache --timeout 2m",
		Args:    between(1, 1000, "the NAME of each app"),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.durationFlag(cmd, &timeout, "timeout", "how long at most; 0 waits forever")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		names, _, err := c.named(cmd.Context(), args, known)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := config.CheckName(name); err != nil {
				return usage(err)
			}
		}
		ctx, end := cmd.Context(), context.CancelFunc(func() {})
		if timeout > 0 {
			ctx, end = context.WithTimeout(ctx, timeout)
		}
		defer end()
		if waiting := c.awaitApps(ctx, names); len(waiting) > 0 {
			return fmt.Errorf("cannot wait longer than %s: %s; relevo list shows why",
				timeout, doNotServe(waiting))
		}
		if asJSON {
			return c.printJSON(map[string]any{"serving": names})
		}
		return nil
	}
	return cmd
}

func doNotServe(names []string) string {
	if len(names) == 1 {
		return names[0] + " does not serve"
	}
	return strings.Join(names, ", ") + " do not serve"
}

// awaitApps waits until every app serves. If ctx ends first it returns the names of the apps that
// do not.
func (c *cli) awaitApps(ctx context.Context, names []string) (waiting []string) {
	looks := time.NewTicker(glance)
	defer looks.Stop()
	for {
		waiting = nil
		for _, name := range names {
			if !c.serves(name) {
				waiting = append(waiting, name)
			}
		}
		if len(waiting) == 0 {
			return nil
		}
		select {
		case <-looks.C:
		case <-ctx.Done():
			return waiting
		}
	}
}

var errStoppedWaiting = errors.New("stopped while it waited for other apps")

// comeAfter makes a master wait for the apps that have to serve before its own.
func (c *cli) comeAfter(names []string, log *slog.Logger) error {
	var waiting []string
	for _, name := range names {
		if !c.serves(name) {
			waiting = append(waiting, name)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	log.Info("waiting until other apps serve", "after", strings.Join(waiting, " "))
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT}
	if !signal.Ignored(syscall.SIGHUP) { // Notify would undo nohup(1), also for the master
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, end := signal.NotifyContext(context.Background(), ends...)
	defer end()
	if c.awaitApps(ctx, waiting) != nil {
		return errStoppedWaiting
	}
	return nil
}
