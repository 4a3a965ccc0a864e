package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/doctor"
	"relevo/internal/launch"
)

func (c *cli) doctor() *cobra.Command {
	var asJSON bool
	var file string
	cmd := &cobra.Command{
		Use: "doctor [NAME]", Args: atMostOne("NAME"), ValidArgsFunction: c.completeNames,
		Short: "Say what this machine, user and configuration can and cannot do, and what to do about it",
		Long: `Say what this kernel, service manager, user and configuration can and cannot do
for relevo, what follows from each, and how to mend it. The configuration is that
of -c, of the running master NAME, or ./` + config.DefaultFile + `. Nothing is
started or changed; addresses are bound for a moment. The exit code is 1 if
something that was asked for will not work. Run it as the user that is to run relevo.`,
		Example: `  relevo doctor
  relevo doctor -c shop.toml
  docker exec CONTAINER /relevo doctor`,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `FILE`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		host, err := c.host(cmd.Context(), first(args), file)
		if err != nil {
			return err
		}
		findings := doctor.Examine(host)
		if asJSON {
			err = c.printJSON(findings)
		} else {
			c.printFindings(findings)
		}
		if err == nil && doctor.AnyBad(findings) {
			err = &exitOnly{control.ExitFailure}
		}
		return err
	}
	return cmd
}

// host collects the facts that the checks need.
func (c *cli) host(ctx context.Context, name, file string) (*doctor.Host, error) {
	around := c.around()
	h := &doctor.Host{
		UID: os.Geteuid(), Places: c.places, CPUs: config.CPUs(), Systemctl: systemctl, Wanted: name, ConfigFile: file,
		Patience: doctor.Patience{Max: around.patience, Of: around.what, How: around.how},
	}
	if me, err := user.LookupId(strconv.Itoa(h.UID)); err == nil {
		h.User = me.Username
	}
	if name == "" && file == "" {
		if _, err := os.Stat(config.DefaultFile); err == nil {
			h.ConfigFile = config.DefaultFile
		}
	}
	if name != "" {
		c.findRunning(ctx, h, name)
	}
	if h.ConfigFile != "" {
		c.readConfiguration(h)
		if name == "" && h.App.Name != "" {
			c.findRunning(ctx, h, h.App.Name)
		}
	}
	state, cgroup := h.Places.State, launch.DelegatedCgroups("x").Dir
	if h.Configured {
		state = h.Places.AppState(h.App.Name)
	}
	h.Probes = doctor.Probe(doctor.Ask{State: state, Program: h.Program, CgroupDir: cgroup})
	return h, nil
}

// around returns the container that this process is in. A process that docker exec has started is
// in the container of the first process there.
func (c *cli) around() container {
	if name := processName(1); name == "relevo" || smallInit(name) {
		return findContainer(1, 0, processName, c.getenv)
	}
	return c.container
}

// findRunning asks the master of that name. If the user names no file, doctor checks the master's
// own configuration.
func (c *cli) findRunning(ctx context.Context, h *doctor.Host, name string) {
	if config.CheckName(name) != nil {
		return
	}
	client, err := c.reach(ctx, name)
	if err != nil {
		return
	}
	status, err := client.Status(ctx)
	if err != nil {
		return
	}
	h.Running = &doctor.Running{Name: status.Name, PID: status.PID, Version: status.Version, Warnings: status.Warnings}
	for _, l := range status.Listeners {
		h.Running.Addresses = append(h.Running.Addresses, l.Address)
	}
	if h.ConfigFile == "" {
		h.ConfigFile = status.Config
	}
}

func (c *cli) readConfiguration(h *doctor.Host) {
	dir := logicalDir(c.getenv)
	file, err := config.Load(h.ConfigFile, dir)
	if err != nil {
		h.ConfigErrors = config.SortedErrors(err)
		return
	}
	selection := config.Selection{}
	if h.Running != nil && slices.Contains(file.Apps(), h.Running.Name) {
		selection.App = h.Running.Name
	}
	if file, err = file.Select(selection); err != nil {
		h.ConfigErrors = []error{err}
		return
	}
	s := config.Sources{Defaults: c.around().fit(config.Default()), File: file, Getenv: c.getenv, Dir: dir,
		NoCommand: !file.Sets("command")}
	h.App, _, err = withRuntime(s)
	named := h.App
	named.Command = nil // the command is checked separately
	_, wrong := checkSurroundings(s, named, err == nil)
	h.ConfigErrors = config.SortedErrors(errors.Join(err, wrong))
	h.Configured = len(h.ConfigErrors) == 0
	if h.Configured && len(h.App.Command) > 0 {
		_, h.CommandError = checkProgram(h.App)
		h.Program = programOf(h.App)
	}
}

// programOf returns the executable, as far as this process can find it.
func programOf(app config.App) string {
	program := app.Command[0]
	if strings.Contains(program, "/") {
		if !filepath.IsAbs(program) {
			program = filepath.Join(app.Dir, program)
		}
		return program
	}
	path, _ := exec.LookPath(program)
	return path
}

// systemctlPatience bounds the wait for a systemd that does not answer.
const systemctlPatience = 5 * time.Second

func systemctl(user bool, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), systemctlPatience)
	defer cancel()
	if user {
		args = append([]string{"--user"}, args...)
	}
	cmd := exec.CommandContext(ctx, "systemctl", args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if text := strings.TrimSpace(said.String()); err != nil && text != "" {
		err = errors.New(text)
	}
	return string(out), err
}

func (c *cli) printFindings(findings []doctor.Finding) {
	marks := map[doctor.Status]string{
		doctor.OK:   c.paint(c.colorOut, green, "ok  "),
		doctor.Warn: c.paint(c.colorOut, yellow, "warn"),
		doctor.Bad:  c.paint(c.colorOut, red, "bad "),
	}
	count := map[doctor.Status]int{}
	for _, f := range findings {
		count[f.Status]++
		fmt.Fprintf(c.stdout, "%s  %-13s %s\n", marks[f.Status], f.Check, f.Found)
		for _, more := range [][2]string{{"so", f.Consequence}, {"fix", f.Remedy}} {
			if more[1] != "" {
				fmt.Fprintf(c.stdout, "%19s %s\n", "", c.paint(c.colorOut && f.Status == doctor.OK, dim,
					fmt.Sprintf("%-3s  %s", more[0], more[1])))
			}
		}
	}
	fmt.Fprintf(c.stdout, "\n%d ok, %d to look at, %d bad\n", count[doctor.OK], count[doctor.Warn], count[doctor.Bad])
}
