package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/control"
)

func (c *cli) stop() *cobra.Command {
	var force, noWait bool
	cmd := severalArgs(c.talking("stop [NAME…]", "Stop gracefully: workers finish what they have accepted",
		func(ctx context.Context, args []string, asJSON bool) error {
			stop := func(ctx context.Context, name string) (said, error) {
				return c.stopNamed(ctx, name, force, !noWait)
			}
			return c.each(ctx, args, asJSON, several{running, stopsAtATime, stop, noneRuns})
		}))
	cmd.Flags().BoolVar(&force, "force", false, "kill the workers instead")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return at once")
	return cmd
}

func (c *cli) stopNamed(ctx context.Context, name string, force, wait bool) (said, error) {
	client, err := c.connect(ctx, name)
	if err != nil {
		return said{}, err
	}
	if err := c.stopApp(ctx, client, force, wait); err != nil {
		return said{}, err
	}
	text := client.Name() + " is stopped"
	if !wait {
		text = client.Name() + " is stopping"
	}
	return said{text: text, value: map[string]any{"name": client.Name(), "stopped": wait}}, nil
}

// stopsAtATime is how many apps are stopped at the same time: each may drain for a long time.
const stopsAtATime = 32

// stopApp asks a master to end, and with wait waits for its end.
func (c *cli) stopApp(ctx context.Context, client *control.Client, force, wait bool) error {
	events, err := client.Events(ctx)
	if err != nil {
		return err
	}
	defer events.Close()
	if err := client.Stop(ctx, force); err != nil || !wait {
		return err
	}
	return c.awaitEnd(ctx, client, events)
}

// awaitEnd waits for the end of a master: the event stream ends with the pool, the control socket
// disappears a moment later, and the name is given up when the last line of the log is written.
func (c *cli) awaitEnd(ctx context.Context, client *control.Client, events *control.EventStream) error {
	for {
		_, _, err := events.Next()
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return fmt.Errorf("cannot tell whether %s has stopped: %w", client.Name(), err)
		}
	}
	if err := awaitNoSocket(ctx, client); err != nil {
		return err
	}
	lock := config.Places{Runtime: filepath.Dir(client.Socket())}.Lock(client.Name())
	if ends := control.NobodyAnswers(ctx, client.Socket()); !control.AwaitGivenUp(lock, ends) && ends() {
		fmt.Fprintf(c.stderr, "%s has closed its sockets, and its master has not ended yet\n", client.Name())
	}
	return nil
}

// awaitNoSocket waits until no master answers at the client's socket.
func awaitNoSocket(ctx context.Context, client *control.Client) error {
	for {
		_, err := control.Connect(ctx, client.Socket())
		switch control.ExitCode(err) {
		case control.ExitNotRunning:
			return nil
		case control.ExitNotPermitted: // the socket there is now another user's, so its answer means nothing
			return fmt.Errorf("cannot tell whether %s has stopped: %w", client.Name(), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
