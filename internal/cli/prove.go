package cli

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"relevo/internal/control"
	"relevo/internal/prove"
)

// proveCommand has the flags of prove.
type proveCommand struct {
	prove.Options
	connections, body string
	junit             string
	headers           []string
	http2, webSocket  bool
}

func (c *cli) prove() *cobra.Command {
	p := proveCommand{Options: prove.Options{KillEvery: 500 * time.Millisecond, Timeout: 10 * time.Second, Clients: 32,
		Times: 20, Every: time.Second}}
	var f *pflag.FlagSet
	cmd := c.talking("prove [NAME]", "Load the app while it is rolled, or its workers are killed, and count what is lost",
		func(ctx context.Context, args []string, asJSON bool) error {
			o, err := p.options(f)
			if err != nil {
				return usage(err)
			}
			return c.proveWhat(ctx, proveRun{Options: o, json: asJSON, junit: p.junit}, first(args))
		})
	cmd.Long = `Load the app while it is rolled, and count what is lost. The clients do not retry:
a request that gets no whole answer is lost, whatever the reason. With --kill the
workers are killed with SIGKILL instead, one after the other; requests that the
killed worker had already accepted are then counted apart, as held. Any status
below 500 is an answer; --expect 2 wants 2xx.

With --url and --during any server is loaded while a command is run again and again,
and no master is needed: measure what a reload of your own server loses.

--http2 sends requests as streams on four connections, --websocket sends messages and
waits for their echo. What the server refuses by the protocol (GOAWAY, a close frame)
is counted apart, and sent no second time.

Ctrl-C ends the load and prints what was counted until then. The exit code is 1 if
more than --max-lost was lost, a roll failed, no worker could be killed, or the command
failed; else 130 after Ctrl-C (143 after TERM).`
	cmd.Example = `  relevo prove --url http://127.0.0.1:8080/
  relevo prove --url http://127.0.0.1/ --during 'nginx -s reload' --times 20
  relevo prove web --rolls 100 --clients 64 --connections keepalive
  relevo prove web --rolls 0 --duration 30s            the load alone, to compare with
  relevo prove web --kill --duration 30s
  relevo prove web --http2 --rolls 10
  relevo prove --websocket --url ws://127.0.0.1:8080/ --during 'nginx -s reload'`
	f = cmd.Flags()
	p.addFlags(c, cmd)
	return cmd
}

// proveWhat finds the target of the load: an app of a master, or any server.
func (c *cli) proveWhat(ctx context.Context, r proveRun, name string) error {
	if r.During != nil && name != "" {
		return usage(fmt.Errorf("cannot use --during with the app %s: its master rolls it; leave --during out, "+
			"or write --url URL instead of the name", name))
	}
	var client *control.Client
	if r.needsMaster(name) {
		var err error
		if client, err = c.connect(ctx, name); err != nil {
			return withoutMaster(err, r, name)
		}
		if r.URL == "" {
			if r.URL, err = c.guessURL(ctx, client); err != nil {
				return err
			}
		}
	}
	if err := loadable(r.URL, r.Connections); err != nil {
		return usage(err)
	}
	if client != nil {
		return c.proveApp(ctx, client, r)
	}
	return c.runProve(ctx, r)
}

// withoutMaster adds to the error of a URL for which no master runs how to load it without one.
func withoutMaster(err error, r proveRun, name string) error {
	if r.URL == "" || name != "" || r.Kill || control.ExitCode(err) != control.ExitNotRunning {
		return err
	}
	return &control.Error{Message: err.Error() + ", to roll it; add --during COMMAND to load any server while " +
		"the command runs, or --rolls 0 for the load alone", Exit: control.ExitNotRunning}
}

// loadable returns an error for a URL that prove cannot load.
func loadable(url string, how prove.Connections) error {
	for _, scheme := range []string{"http://", "https://", "unix:", "ws://", "wss://"} {
		if !strings.HasPrefix(url, scheme) {
			continue
		}
		if strings.HasPrefix(scheme, "ws") && how != prove.WebSocket {
			return fmt.Errorf("cannot load %q by requests: add --websocket, or write http:// instead of ws://", url)
		}
		return nil
	}
	return fmt.Errorf("cannot load %q: write http://…, https://… or unix:/SOCKET:/PATH", url)
}

func (p *proveCommand) addFlags(c *cli, cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.Var(checkedFlag{&p.URL, "string", notEmpty("the URL")}, "url",
		"what to load: http://…, https://… or unix:/SOCKET:/PATH (default: the app's first listener)")
	f.IntVar(&p.Rolls, "rolls", 0, "how many rolls (default 20, none with --kill); 0: the load alone")
	f.Var(checkedFlag{&p.Command, "COMMAND", notEmpty("the command")}, "during",
		"load any server at --url while this command runs, --times times; no master is asked")
	f.Var(numberFlag{&p.Times, 1}, "times", "how often to run the command of --during")
	f.Var(someTime{durationFlag{&p.Every}}, "every", "the time from one run of that command to the next")
	f.Var(numberFlag{&p.MaxLost, 0}, "max-lost", "so many lost requests are no failure")
	f.Var(checkedFlag{&p.junit, "FILE", notEmpty("the file")}, "junit",
		"write the result to this file, too, in JUnit's form for CI")
	f.BoolVar(&p.Kill, "kill", false, "kill the workers, one every --kill-every")
	f.Var(someTime{durationFlag{&p.KillEvery}}, "kill-every", "the time between two kills")
	c.durationFlag(cmd, &p.Duration, "duration",
		"how long to load at least; the rolls asked for are made in any case (default 10s without rolls)")
	f.Lookup("duration").DefValue = ""
	f.Var(numberFlag{&p.MinRequests, 0}, "min-requests",
		"continue until each kind of connection has sent this many requests")
	f.Var(numberFlag{&p.Clients, 1}, "clients", "clients for each kind of connection")
	f.Var(numberFlag{&p.Rate, 1}, "rate",
		"send so many requests a second for each kind of connection, whatever the answers take: waiting counts")
	f.Var(someTime{durationFlag{&p.Pause}}, "pause", "how long a client waits after an answer (default: not at all)")
	f.Lookup("pause").DefValue = ""
	f.StringVar(&p.connections, "connections", "both", "fresh, keepalive or both")
	f.BoolVar(&p.http2, "http2", false, "send requests as streams of HTTP/2, on four connections in all")
	f.BoolVar(&p.webSocket, "websocket", false,
		"send messages over WebSockets, one for each client, and wait for their echo")
	f.Var(someTime{durationFlag{&p.Timeout}}, "timeout", "how long one request may take")
	f.StringVar(&p.Method, "method", "GET", "of every request")
	f.StringVar(&p.body, "body", "", "of every request")
	f.StringArrayVarP(&p.headers, "header", "H", nil, `"Name: value", of every request; repeatable`)
	f.Var(statusClass{&p.Expect}, "expect",
		"first digit of the status that is right, 2 to 5 (default: anything below 500)")
	f.BoolVar(&p.Insecure, "insecure", false, "accept any certificate")
}

// options turns the flags into options of package prove.
func (p *proveCommand) options(f *pflag.FlagSet) (o prove.Options, err error) {
	o = p.Options
	o.Body = []byte(p.body)
	if o.Connections, err = p.kind(f); err != nil {
		return o, err
	}
	if o.Headers, err = parseHeaders(p.headers); err != nil {
		return o, err
	}
	if o.Rolls < 0 {
		return o, fmt.Errorf("cannot roll %d times: write how often, 0 for a load without a roll", o.Rolls)
	}
	if o.Command != "" {
		o.During = duringCommand{o.Command}.run
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
