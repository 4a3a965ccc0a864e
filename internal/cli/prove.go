package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"relevo/internal/control"
	"relevo/internal/phrase"
	"relevo/internal/printable"
	"relevo/internal/prove"
	"relevo/pool"
	"relevo/pool/machine"
)

// proveCommand has the flags of prove.
type proveCommand struct {
	prove.Options
	connections, body string
	headers           []string
}

func (c *cli) prove() *cobra.Command {
	p := proveCommand{Options: prove.Options{KillEvery: 500 * time.Millisecond, Timeout: 10 * time.Second, Clients: 32}}
	var f *pflag.FlagSet
	cmd := c.talking("prove [NAME]", "Load the app while it is rolled, or its workers are killed, and count what is lost",
		func(ctx context.Context, args []string, asJSON bool) error {
			o, err := p.options(f)
			if err != nil {
				return usage(err)
			}
			client, err := c.connect(ctx, first(args))
			if err != nil {
				return err
			}
			if o.URL == "" {
				if o.URL, err = c.guessURL(ctx, client); err != nil {
					return err
				}
			}
			if !strings.HasPrefix(o.URL, "http://") && !strings.HasPrefix(o.URL, "https://") &&
				!strings.HasPrefix(o.URL, "unix:") {
				return usage(fmt.Errorf("cannot load %q: write http://…, https://… or unix:/SOCKET:/PATH", o.URL))
			}
			return c.runProve(ctx, client, o, asJSON)
		})
	cmd.Long = `Load the app while it is rolled, and count what is lost. The clients do not retry:
a request that gets no whole answer is lost, whatever the reason. With --kill the
workers are killed with SIGKILL instead, one after the other; requests that the
killed worker had already accepted are then counted apart, as held. Any status
below 500 is an answer; --expect 2 wants 2xx.

Ctrl-C ends the load and prints what was counted until then. The exit code is 1 if
anything was lost, else 130 after Ctrl-C (143 after TERM).`
	cmd.Example = `  relevo prove --url http://127.0.0.1:8080/
  relevo prove web --rolls 100 --clients 64 --connections keepalive
  relevo prove web --rolls 0 --duration 30s            the load alone, to compare with
  relevo prove web --kill --duration 30s`
	f = cmd.Flags()
	p.addFlags(c, cmd)
	return cmd
}

func (p *proveCommand) addFlags(c *cli, cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.Var(checkedFlag{&p.URL, "string", notEmpty("the URL")}, "url",
		"what to load: http://…, https://… or unix:/SOCKET:/PATH (default: the app's first listener)")
	f.IntVar(&p.Rolls, "rolls", 0, "how many rolls (default 20, none with --kill); 0: the load alone")
	f.BoolVar(&p.Kill, "kill", false, "kill the workers, one every --kill-every")
	f.Var(someTime{durationFlag{&p.KillEvery}}, "kill-every", "the time between two kills")
	c.durationFlag(cmd, &p.Duration, "duration",
		"how long to load at least; the rolls asked for are made in any case (default 10s without rolls)")
	f.Lookup("duration").DefValue = ""
	f.IntVar(&p.MinRequests, "min-requests", 0, "go on until each kind of connection has sent so many requests")
	f.Var(numberFlag{&p.Clients, 1}, "clients", "clients for each kind of connection")
	f.Var(someTime{durationFlag{&p.Pause}}, "pause", "how long a client waits after an answer (default: not at all)")
	f.StringVar(&p.connections, "connections", "both", "fresh, keepalive or both")
	f.Var(someTime{durationFlag{&p.Timeout}}, "timeout", "how long one request may take")
	f.StringVar(&p.Method, "method", "GET", "of every request")
	f.StringVar(&p.body, "body", "", "of every request")
	f.StringArrayVarP(&p.headers, "header", "H", nil, `"Name: value", of every request; repeatable`)
	f.IntVar(&p.Expect, "expect", 0, "first digit of the status that is right, 2 to 5 (default: anything below 500)")
	f.BoolVar(&p.Insecure, "insecure", false, "accept any certificate")
}

// options turns the flags into options of package prove.
func (p *proveCommand) options(f *pflag.FlagSet) (o prove.Options, err error) {
	o = p.Options
	o.Connections, o.Body = prove.Connections(p.connections), []byte(p.body)
	if o.Headers, err = parseHeaders(p.headers); err != nil {
		return o, err
	}
	if o.Rolls < 0 {
		return o, fmt.Errorf("cannot roll %d times: write how often, 0 for a load without a roll", o.Rolls)
	}
	if f.Changed("rolls") && o.Rolls == 0 {
		o.Rolls = prove.NoRolls
	}
	return o, proveFlags(f, o)
}

func parseHeaders(lines []string) (http.Header, error) {
	headers := http.Header{}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("cannot use %q as a header: write \"Name: value\"", line)
		}
		headers.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return headers, nil
}

// guessURL assumes HTTP on the first listener, which is right for most apps.
func (c *cli) guessURL(ctx context.Context, client *control.Client) (string, error) {
	status, err := client.Status(ctx)
	if err != nil {
		return "", err
	}
	for _, l := range status.Listeners {
		if strings.HasPrefix(l.Address, "/") || strings.HasPrefix(l.Address, "@") {
			return "unix:" + l.Address, nil
		}
		if _, _, err := net.SplitHostPort(l.Address); err == nil {
			return phrase.URL(l.Address, "127.0.0.1") + "/", nil
		}
	}
	return "", usage(errors.New("cannot guess what to load: the app has no listener; give --url"))
}

func (c *cli) runProve(ctx context.Context, client *control.Client, o prove.Options, asJSON bool) error {
	ctx, interrupted := interruptible(ctx, repeated)
	defer interrupted.end(ctx)
	o.Target = &proveTarget{client}
	live := isTerminal(c.stderr)
	o.Progress = func(p prove.Progress) {
		text := fmt.Sprintf("%5.1fs  %d sent, %d lost, %d held, %s, %s", p.Elapsed.Seconds(), p.Sent, p.Lost, p.Held,
			phrase.Count(p.Rolls, "roll"), phrase.Count(p.Kills, "kill"))
		switch {
		case live:
			fmt.Fprintf(c.stderr, "\r\x1b[K%s", text)
		case p.Roll != nil && !p.Roll.OK:
			fmt.Fprintf(c.stderr, "roll failed: %s\n", p.Roll.Reason)
		}
	}
	before, _ := client.Status(ctx) // nil if the app cannot count connections
	report, err := prove.Run(ctx, o)
	if after, failed := client.Status(context.WithoutCancel(ctx)); failed == nil {
		report.Left = leftSince(before.Connections, after.Connections)
	}
	if live {
		fmt.Fprint(c.stderr, "\r\x1b[K")
	}
	if report.Total.Sent > 0 || err == nil { // after a failure, too, print what was counted
		err = errors.Join(err, c.printReport(report, asJSON))
	}
	if ctx.Err() != nil && proven(report) {
		return &exitOnly{interrupted.exitCode()}
	}
	if err == nil && !proven(report) {
		err = &exitOnly{control.ExitFailure}
	}
	return err
}

func (c *cli) printReport(report prove.Report, asJSON bool) error {
	if asJSON {
		return c.printJSON(report)
	}
	var text strings.Builder
	if err := report.WriteText(&text); err != nil {
		return err
	}
	_, err := fmt.Fprint(c.stdout, printable.Text(text.String())) // the text quotes what servers answered
	return err
}

// leftSince returns what was counted between two looks; nil if that is nothing.
func leftSince(before, after pool.Connections) *prove.Left {
	left := after.Minus(before)
	if left.String() == (pool.Connections{}).String() {
		return nil
	}
	return &prove.Left{Finished: left.Finished, HandedOver: left.HandedOver, Rescued: left.Rescued, Cut: left.Cut,
		Why: left.Why, Text: left.String()}
}

// proven says whether nothing was lost and all rolls and kills were done.
func proven(r prove.Report) bool {
	return r.Lost() == 0 && (r.Rolls == nil || r.Rolls.Failed == 0)
}

// proveTarget gives package prove access to a master over its control socket.
type proveTarget struct{ client *control.Client }

func (t *proveTarget) Workers(ctx context.Context) ([]prove.Worker, error) {
	status, err := t.client.Status(ctx)
	if err != nil {
		return nil, err
	}
	var workers []prove.Worker
	for _, w := range status.Workers {
		if w.ID != "" {
			workers = append(workers, prove.Worker{ID: w.ID, Slot: w.Slot, PID: w.PID, Generation: w.Generation, State: w.State})
		}
	}
	return workers, nil
}

func (t *proveTarget) Roll(ctx context.Context) (prove.Roll, error) {
	result, err := t.client.Reload(ctx, control.ReloadOptions{})
	if err != nil {
		return prove.Roll{}, err
	}
	return prove.Roll{Replaced: result.Replaced, OK: result.Result == machine.OK, Reason: result.Reason}, nil
}

func (t *proveTarget) Signal(ctx context.Context, workerID string, sig syscall.Signal) error {
	_, err := t.client.Signal(ctx, pool.Target{ID: workerID}, fmt.Sprint(int(sig)))
	return err
}
