package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"relevo/internal/control"
	"relevo/internal/phrase"
	"relevo/pool"
)

func (c *cli) events() *cobra.Command {
	cmd := &cobra.Command{
		Use: "events [NAME]", GroupID: "talk", Args: atMostOne("NAME"), ValidArgsFunction: c.completeNames,
		Short: "Print what happens, live, one JSON object a line",
	}
	asJSON := cmd.Flags().Bool("json", true, "events are JSON in any case")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !*asJSON {
			return usage(errors.New("cannot print events in another form: they are JSON in any case; leave --json=false out"))
		}
		client, err := c.connect(cmd.Context(), first(args))
		if err != nil {
			return err
		}
		events, err := client.Events(cmd.Context())
		for err == nil {
			if err = c.printEvents(events); err != nil {
				return err
			}
			// Either the app has ended, or another master has taken it over.
			events, err = client.Events(cmd.Context())
			if err != nil {
				return nil
			}
		}
		return err
	}
	return cmd
}

// printEvents prints events until the stream ends.
func (c *cli) printEvents(events *control.EventStream) error {
	defer events.Close()
	for {
		_, line, err := events.Next()
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := c.stdout.Write(line); err != nil {
			return fmt.Errorf("cannot write the events: %w", err)
		}
	}
}

// targetFlags choose workers.
type targetFlags struct {
	slot int
	id   string
}

func (t *targetFlags) add(cmd *cobra.Command) {
	t.slot = -1
	cmd.Flags().Var(numberFlag{&t.slot, 0}, "slot", "only the worker of this slot")
	cmd.Flags().Var(checkedFlag{&t.id, "string", notEmpty("the id of a worker")}, "id", "only the worker of this id")
}

func (t *targetFlags) target() pool.Target {
	target := pool.Target{ID: t.id}
	if t.slot >= 0 {
		target.Slot = &t.slot
	}
	return target
}

func (c *cli) send() *cobra.Command {
	var to targetFlags
	cmd := c.talking("send [NAME] JSON", "Send an application message to the workers",
		func(ctx context.Context, args []string, asJSON bool) error {
			data := json.RawMessage(args[len(args)-1])
			if !json.Valid(data) {
				return usage(fmt.Errorf("cannot send %q: it is not JSON (a string needs its quotes: '\"%s\"')", data, data))
			}
			if err := to.check(); err != nil {
				return err
			}
			client, err := c.connect(ctx, first(args[:len(args)-1]))
			if err != nil {
				return err
			}
			reached, err := client.Send(ctx, to.target(), data)
			return c.printReached("sent to", reached, err, asJSON)
		})
	cmd.Example = `  relevo send '{"flush":"cache"}'` + "\n" + `  relevo send web --slot 0 '"hello"'`
	cmd.Args, cmd.ValidArgsFunction = between(1, 2, "[NAME] JSON"), c.completeOne
	to.add(cmd)
	return cmd
}

func (c *cli) signal() *cobra.Command {
	var to targetFlags
	cmd := c.talking("signal [NAME] SIGNAL", "Send a signal to the workers",
		func(ctx context.Context, args []string, asJSON bool) error {
			if err := to.check(); err != nil {
				return err
			}
			client, err := c.connect(ctx, first(args[:len(args)-1]))
			if err != nil {
				return err
			}
			reached, err := client.Signal(ctx, to.target(), args[len(args)-1])
			return c.printReached("signalled", reached, err, asJSON)
		})
	cmd.Example = "  relevo signal USR1\n  relevo signal web --slot 2 KILL"
	cmd.Args, cmd.ValidArgsFunction = between(1, 2, "[NAME] SIGNAL"), c.completeSignal
	to.add(cmd)
	return cmd
}

func (c *cli) printReached(verb string, reached control.Reached, err error, asJSON bool) error {
	if err != nil {
		return err
	}
	if asJSON {
		return c.printJSON(reached)
	}
	_, err = fmt.Fprintf(c.stdout, "%s %s: %s\n", verb, phrase.Count(len(reached.Workers), "worker"),
		strings.Join(reached.Workers, " "))
	return err
}
