package cli

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/fleet/relevo-fleet/agent"
	"relevo/internal/fleet/relevo-fleet/local"
	"relevo/internal/fleet/relevo-fleet/store"
)

// agentFile is the agent's configuration.
type agentFile struct {
	Etcd         []string               `toml:"etcd"`
	CACert       string                 `toml:"cacert"`
	Cert         string                 `toml:"cert"`
	Key          string                 `toml:"key"`
	User         string                 `toml:"user"`
	PasswordFile string                 `toml:"password_file"`
	Machine      string                 `toml:"machine"`
	Labels       map[string]string      `toml:"labels"`
	State        string                 `toml:"state"`
	App          map[string]*agentEntry `toml:"app"`
}

// agentEntry is one app of it.
type agentEntry struct {
	Path      string `toml:"path"`
	Fetch     string `toml:"fetch"`
	Check     string `toml:"check"`
	Minisign  string `toml:"minisign"`
	Cosign    string `toml:"cosign"`
	Signature string `toml:"signature"`
	Socket    string `toml:"socket"`
}

type agentFlags struct {
	file    string
	machine string
	labels  map[string]string
	apps    map[string]string
	state   string
	lease   time.Duration
}

func (p *program) agent() *cobra.Command {
	f := agentFlags{}
	cmd := &cobra.Command{Use: "agent", Short: "Be a machine of the fleet: report what runs, and do its turns",
		Args: noArgs, Example: "  relevo-fleet agent --etcd https://10.0.0.1:2379 --app shop=/srv/shop/shop",
		RunE: func(cmd *cobra.Command, _ []string) error { return p.runAgent(cmd, f) }}
	cmd.Flags().StringVarP(&f.file, "config", "c", "", "configuration file, such as /etc/relevo-fleet.toml")
	cmd.Flags().StringVar(&f.machine, "machine", "", "name of this machine (default: its host name)")
	cmd.Flags().StringToStringVar(&f.labels, "label", nil, "label of this machine, such as zone=a; repeatable")
	cmd.Flags().StringToStringVar(&f.apps, "app", nil, "an app and the file that its master runs: NAME=PATH; repeatable")
	cmd.Flags().StringVar(&f.state, "state", "", "directory for releases (default: /var/lib/relevo-fleet)")
	cmd.Flags().DurationVar(&f.lease, "lease", 10*time.Second, "time after which a silent machine is away")
	return cmd
}

func (p *program) runAgent(cmd *cobra.Command, f agentFlags) error {
	file, err := f.read()
	if err != nil {
		return control.WithExit(err, control.ExitConfig)
	}
	p.adopt(file)
	lock, err := lockState(file.State)
	if err != nil {
		return err
	}
	defer lock.Close()
	log := p.log()
	apps, err := openApps(file, log)
	if err != nil {
		return control.WithExit(err, control.ExitConfig)
	}
	client, err := p.dial()
	if err != nil {
		return err
	}
	defer client.Close()
	host, _ := os.Hostname() // without a name it is empty
	agent.Run(cmd.Context(), agent.Options{Client: client, Machine: file.Machine, Labels: file.Labels, Apps: apps,
		Log: log, TTL: f.lease, Presence: store.Presence{Host: host, HostID: hostID(file.State), PID: os.Getpid(),
			Since: time.Now(), Version: version()}})
	return nil
}

// read reads the configuration; flags go first.
func (f agentFlags) read() (file agentFile, err error) {
	if f.file != "" {
		meta, err := toml.DecodeFile(f.file, &file)
		if err != nil {
			return file, fmt.Errorf("cannot read the configuration: %w", err)
		}
		if unknown := meta.Undecoded(); len(unknown) > 0 {
			return file, fmt.Errorf("cannot use %s: it has the unknown key %s", f.file, unknown[0])
		}
	}
	host, _ := os.Hostname() // an empty name is refused below
	file.Machine = cmp.Or(f.machine, file.Machine, host)
	file.State = cmp.Or(f.state, file.State, defaultState())
	if file.App == nil {
		file.App = map[string]*agentEntry{}
	}
	for name, path := range f.apps {
		if file.App[name] == nil {
			file.App[name] = &agentEntry{}
		}
		file.App[name].Path = path
	}
	if file.Labels == nil {
		file.Labels = map[string]string{}
	}
	for name, value := range f.labels {
		file.Labels[name] = value
	}
	return file, file.check()
}

func (file agentFile) check() error {
	if err := store.CheckWord("the name of a machine", file.Machine); err != nil {
		return err
	}
	if len(file.App) == 0 {
		return errors.New("cannot be of use without an app: give --app NAME=PATH, or [app.NAME] in the configuration")
	}
	for name, value := range file.Labels {
		if err := errors.Join(store.CheckWord("a label", name), store.CheckWord("the value of a label", value)); err != nil {
			return err
		}
	}
	for name, app := range file.App {
		if err := store.CheckWord("the name of an app", name); err != nil {
			return err
		}
		if !filepath.IsAbs(app.Path) {
			return fmt.Errorf("cannot use %q as the file of %s: its path has to be absolute", app.Path, name)
		}
	}
	return nil
}

// adopt takes from the file what no flag says.
func (p *program) adopt(file agentFile) {
	if len(p.etcd) == 0 {
		p.etcd = file.Etcd
	}
	o := &p.options
	o.CACert, o.Cert, o.Key = cmp.Or(o.CACert, file.CACert), cmp.Or(o.Cert, file.Cert), cmp.Or(o.Key, file.Key)
	o.User, p.password = cmp.Or(o.User, file.User), cmp.Or(p.password, file.PasswordFile)
}

func defaultState() string {
	if os.Geteuid() == 0 {
		return "/var/lib/relevo-fleet"
	}
	home, _ := os.UserHomeDir() // without one the directory below cannot be made, and says so
	return filepath.Join(cmp.Or(os.Getenv("XDG_STATE_HOME"), filepath.Join(home, ".local/state")), "relevo-fleet")
}

// lockState sees to it that a state has one agent.
func lockState(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the directory for releases: %w; --state chooses another one", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the directory for releases: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("cannot use %s: another agent does; --state chooses another directory", dir)
	}
	return lock, nil
}

func openApps(file agentFile, log *slog.Logger) (map[string]agent.App, error) {
	places := config.FindPlaces(os.Getenv, os.Geteuid(), config.UsableDir)
	apps := map[string]agent.App{}
	for name, e := range file.App {
		app, err := local.Open(local.Options{Name: name, Path: e.Path, State: filepath.Join(file.State, name),
			Socket: cmp.Or(e.Socket, places.ControlSocket(name)), FetchCommand: e.Fetch, CheckCommand: e.Check,
			Minisign: e.Minisign, Cosign: e.Cosign, SignatureCommand: e.Signature, Log: log})
		if err != nil {
			return nil, err
		}
		apps[name] = app
	}
	return apps, nil
}

// hostID tells agents of one name apart: by the host, and by the state, which one agent at a time has locked. So
// an agent that finds its own in etcd knows that its predecessor is dead.
func hostID(state string) string {
	text, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		host, _ := os.Hostname()
		text = []byte(host)
	}
	if absolute, err := filepath.Abs(state); err == nil {
		state = absolute
	}
	sum := sha256.Sum256([]byte("relevo-fleet " + strings.TrimSpace(string(text)) + state))
	return hex.EncodeToString(sum[:8])
}
