package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"relevo/internal/web"
	"relevo/systemd"
)

func (c *cli) web() *cobra.Command {
	o := web.Options{}
	var token bool
	cmd := &cobra.Command{
		Use: "web [flags]", GroupID: "talk",
		Short: "Serve a page that shows all apps of this machine, and their metrics",
		Long: `Serve a page that shows all apps of this machine as they run and roll. It runs in
the foreground until Ctrl-C, beside the masters: they need no restart for it, and
it may come and go. With the token, which --token prints, the page can roll, roll
back, scale and stop; without, it can look. At the same address are /metrics with
the numbers of all apps, /livez, /readyz, and /v1/apps as JSON. Where
OTEL_EXPORTER_OTLP_ENDPOINT is set, a trace of each roll is sent there.

It listens on ` + web.DefaultAddress + `, for this machine. At an address that others reach,
and with --host, the token is needed even to look.`,
		Example: `  relevo web
  relevo web --token                       the address with the token: open it in a browser
  relevo web --listen 127.0.0.1:8000
  relevo web --host status.example.org     behind a proxy with TLS that passes the Host header on`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Token = web.TokenIn(c.places.State)
			if token {
				return c.printToken(o)
			}
			return c.runWeb(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&o.Address, "listen", "l", web.DefaultAddress, "HOST:PORT of the page")
	f.StringArrayVar(&o.Hosts, "host", nil, "a name under which the page is reached, as through a proxy; repeatable")
	f.BoolVar(&token, "token", false, "print the address with the token, and end; makes the token if there is none")
	return cmd
}

func (c *cli) printToken(o web.Options) error {
	token, err := o.Token.Make()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%s#token=%s\n", web.URL(o.Address), token)
	return err
}

// tokenCommand is the command that prints the address and the token of the page at this address.
func tokenCommand(address string) string {
	if address == web.DefaultAddress {
		return "relevo web --token"
	}
	if strings.HasPrefix(address, "[") { // an address of IPv6, which a shell may take for a pattern
		address = "'" + address + "'"
	}
	return "relevo web --token --listen " + address
}

func (c *cli) runWeb(ctx context.Context, o web.Options) error {
	if _, err := o.Token.Make(); err != nil {
		return err
	}
	o.Names, o.Ask = c.askApps()
	o.Connect, o.Log = c.reach, slog.New(slog.DiscardHandler)
	server, err := web.Listen(o)
	if err != nil {
		return err
	}
	ctx, interrupted := interruptible(ctx, repeated)
	defer interrupted.end(ctx)
	defer c.traceAll(ctx, o.Names)()
	fmt.Fprintf(c.stderr, "relevo web: %s shows the apps; to act, open what %s prints\n", server.URL(),
		tokenCommand(server.Address()))
	if server.NeedsToken() {
		fmt.Fprintln(c.stderr, "relevo web: the token is needed even to look, because others reach this address; "+
			"without TLS they can read it")
	}
	manager := systemd.NewNotifier(c.getenv, func(err error) { fmt.Fprintln(c.stderr, "relevo web:", err) })
	manager.Ready("the page is at " + server.URL())
	return server.Run(ctx)
}
