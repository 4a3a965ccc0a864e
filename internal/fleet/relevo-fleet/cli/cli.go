package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"os/user"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"relevo/internal/control"
	"relevo/internal/fleet/relevo-fleet/store"
)

// linkedVersion is set by the build of a release.
var linkedVersion string

func version() string {
	if linkedVersion != "" {
		return linkedVersion
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// program is what the commands share.
type program struct {
	out, err io.Writer
	etcd     []string
	options  store.Options
	password string // a file
	asJSON   bool
}

// Main runs a command line and returns its exit code.
func Main(args []string, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &program{out: out, err: errOut}
	root := p.root()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(errOut, "relevo-fleet:", err)
	}
	return control.ExitCode(err)
}

// Commands is the tree of commands, for manual pages and completions.
func Commands() *cobra.Command { return (&program{}).root() }

func (p *program) root() *cobra.Command {
	root := &cobra.Command{Use: "relevo-fleet", Short: "Roll a release over many machines, through etcd",
		SilenceErrors: true, SilenceUsage: true, Version: version(), Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usage(fmt.Errorf("cannot read the command line: %w", err))
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	f := root.PersistentFlags()
	f.StringSliceVar(&p.etcd, "etcd", nil, "URLs of etcd's members (RELEVO_FLEET_ETCD)")
	f.StringVar(&p.options.CACert, "cacert", "", "certificate of the authority that etcd's is checked with")
	f.StringVar(&p.options.Cert, "cert", "", "certificate to show to etcd")
	f.StringVar(&p.options.Key, "key", "", "key of that certificate")
	f.StringVar(&p.options.User, "user", "", "user of etcd, where it has roles")
	f.StringVar(&p.password, "password-file", "", "file with the password of the user")
	root.AddCommand(p.agent(), p.conduct(), p.deploy(), p.status(), p.pause(), p.resume(), p.abort(), p.rollback(),
		p.followCommand(), p.history(), p.events(), p.forget(), p.unit(), p.bench())
	return root
}

// connect makes the client, and asks etcd for a first answer.
func (p *program) connect(ctx context.Context) (*store.Client, error) {
	c, err := p.dial()
	if err != nil {
		return nil, err
	}
	if err := c.Ping(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (p *program) dial() (*store.Client, error) {
	p.options.Endpoints = p.etcd
	if named := os.Getenv("RELEVO_FLEET_ETCD"); len(p.etcd) == 0 && named != "" {
		p.options.Endpoints = strings.Split(named, ",")
	}
	if p.password != "" {
		text, err := os.ReadFile(p.password)
		if err != nil {
			return nil, fmt.Errorf("cannot read the password: %w", err)
		}
		p.options.Password = strings.TrimRight(string(text), "\n")
	}
	return store.Dial(p.options)
}

func (p *program) json(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.asJSON, "json", false, "print JSON")
}

func (p *program) printJSON(value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.out, string(text))
	return err
}

func (p *program) log() *slog.Logger { return slog.New(slog.NewTextHandler(p.err, nil)) }

// usage gives an error the exit code of a command line that cannot be understood.
func usage(err error) error { return control.WithExit(err, control.ExitUsage) }

// appArg wants one word: the name of an app.
func appArg(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage(errors.New("cannot tell which app: give its name, and nothing else"))
	}
	return usage(store.CheckWord("the name of an app", args[0]))
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage(fmt.Errorf("cannot use %q: %s takes no such word; %[2]s --help shows what there is", args[0],
		cmd.CommandPath()))
}

// who is the person at the command line.
func who() string {
	name := os.Getenv("SUDO_USER")
	if u, err := user.Current(); name == "" && err == nil {
		name = u.Username
	}
	host, _ := os.Hostname() // without a name it is empty
	return name + "@" + host
}
