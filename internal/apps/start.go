package apps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
)

// Starter starts apps in the background.
type Starter struct {
	Places  Places
	Program string   // relevo itself
	Env     []string // of the masters
	// Manage starts an app by the service manager that starts it at boot. false: none does,
	// and it is to run in the background. nil: none does so with any app.
	Manage func(d Definition) (managed bool, err error)
}

// FailedError says that the master of a start ended before the app served.
type FailedError struct {
	Name  string
	Cause string   // what the master said at its end, or how it ended
	Lines []string // its last lines of output, if it gave no cause
	// Stopped says that the master ended as it does after relevo stop or relevo delete.
	Stopped bool
}

func (e *FailedError) Error() string { return fmt.Sprintf("cannot start %s: %s", e.Name, e.Cause) }

// failed returns the error for a master that has ended, from its last lines. Only a master that was
// asked to end ends without an error.
func failed(name string, state *os.ProcessState, lines []string) *FailedError {
	if state.Success() {
		return &FailedError{Name: name, Cause: "it was stopped or deleted before it served", Stopped: true}
	}
	e := &FailedError{Name: name, Cause: "its master ended: " + state.String(), Lines: lines}
	for i := len(lines) - 1; i >= 0; i-- {
		if words, said := strings.CutPrefix(lines[i], "relevo: "); said {
			words = strings.Join(append([]string{words}, lines[i+1:]...), "\n")
			e.Lines, e.Cause = nil, strings.TrimPrefix(words, "cannot start: ")
			break
		}
	}
	return e
}

// glance is the pause between two looks at a master that starts.
const glance = 10 * time.Millisecond

// Start saves a definition, and the text of its configuration file if relevo writes that. It
// returns when the app serves. After a failed start the previous definition is restored.
func (s Starter) Start(ctx context.Context, d Definition, text []byte) (control.Status, error) {
	unlock, err := s.lock(d.Name)
	if err != nil {
		return control.Status{}, err
	}
	defer unlock()
	if err := s.refuseRunning(ctx, d.Name); err != nil {
		return control.Status{}, err
	}
	undo, err := s.Places.remember(d, text)
	if err != nil {
		return control.Status{}, err
	}
	status, err := s.begin(ctx, d)
	if err != nil {
		return status, errors.Join(err, undo(err))
	}
	return status, nil
}

// begin returns when the app serves.
func (s Starter) begin(ctx context.Context, d Definition) (control.Status, error) {
	if s.Manage != nil {
		if managed, err := s.Manage(d); managed || err != nil {
			if err != nil {
				return control.Status{}, err
			}
			return s.look(ctx, d.Name)
		}
	}
	return s.run(ctx, d)
}

// lock lets only one start of a name run at a time.
func (s Starter) lock(name string) (unlock func(), err error) {
	if err := control.MakeRuntimeDir(s.Places.Runtime); err != nil {
		return nil, err
	}
	lock, err := control.Acquire(s.Places.Starting(name))
	if errors.Is(err, control.ErrLocked) {
		err = fmt.Errorf("cannot start %[1]s: another start of it, or its deletion, is under way; "+
			"see relevo status %[1]s", name)
		return nil, control.WithExit(err, control.ExitBusy)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	return func() { lock.Unlock() }, nil
}

func (s Starter) refuseRunning(ctx context.Context, name string) error {
	for _, here := range s.Places.WithOthers() {
		client, err := control.Connect(ctx, here.ControlSocket(name))
		switch {
		case control.ExitCode(err) == control.ExitNotRunning:
		case err != nil:
			return err
		default:
			return runsAlready(ctx, client, name)
		}
	}
	return nil
}

func runsAlready(ctx context.Context, client *control.Client, name string) error {
	pid := ""
	if status, err := client.Status(ctx); err == nil {
		pid = fmt.Sprintf(" (its master is pid %d)", status.PID)
	}
	return fmt.Errorf("cannot start %[1]s: it runs already%[2]s; relevo reload %[1]s takes a new release or "+
		"configuration, relevo delete %[1]s ends and forgets it", name, pid)
}

// run starts the master and waits until it serves or ends.
func (s Starter) run(ctx context.Context, d Definition) (control.Status, error) {
	output, err := openOutput(s.Places.LogDir(d.Name))
	if err != nil {
		return control.Status{}, fmt.Errorf("cannot open the log of %s: %w", d.Name, err)
	}
	defer output.Close()
	from, err := output.Seek(0, 2)
	if err != nil {
		return control.Status{}, fmt.Errorf("cannot open the log of %s: %w", d.Name, err)
	}
	master := exec.Command(s.Program, d.Arguments()...)
	master.Dir, master.Env = d.Dir, d.environ(s.Env)
	master.Stdout, master.Stderr = output, output
	master.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := master.Start(); err != nil {
		if _, missing := os.Stat(d.Dir); missing != nil {
			err = fmt.Errorf("its directory is not there any more: %w; make it again, or relevo delete %s", missing, d.Name)
		}
		return control.Status{}, fmt.Errorf("cannot start %s: %w", d.Name, err)
	}
	ended := make(chan struct{})
	go func() {
		master.Wait()
		close(ended)
	}()
	status, err := s.await(ctx, d.Name, master.Process.Pid, ended)
	switch {
	case err == nil:
		return status, nil
	case errors.Is(err, errEnded):
		return status, failed(d.Name, master.ProcessState, tailFrom(output, from))
	}
	// The wait has ended early: nothing of the start may stay.
	master.Process.Signal(syscall.SIGTERM)
	<-ended
	return status, err
}

var errEnded = errors.New("the master ended")

// await returns when the app of this master serves.
func (s Starter) await(ctx context.Context, name string, pid int, ended <-chan struct{}) (control.Status, error) {
	looks := time.NewTicker(glance)
	defer looks.Stop()
	for {
		if status, err := s.look(ctx, name); err == nil && status.PID == pid && Serves(status) {
			return status, nil
		}
		select {
		case <-looks.C:
		case <-ended:
			return control.Status{}, errEnded
		case <-ctx.Done():
			return control.Status{}, fmt.Errorf("cannot wait until %s serves: %w; it is not started", name, context.Cause(ctx))
		}
	}
}

func (s Starter) look(ctx context.Context, name string) (control.Status, error) {
	client, err := control.Connect(ctx, s.Places.ControlSocket(name))
	if err != nil {
		return control.Status{}, err
	}
	return client.Status(ctx)
}

// Serves says whether an app has started: later its pool may roll, and is "rolling", or sleep
// until a client comes, and is "asleep".
func Serves(s control.Status) bool {
	return s.State == "running" || s.State == "rolling" || s.State == "asleep"
}

// Arguments are the command line of the master.
func (d Definition) Arguments() []string {
	args := []string{"run", "--background", "--config", d.Config}
	if d.App != "" {
		args = append(args, "--app", d.App)
	}
	if d.Profile != "" {
		args = append(args, "--profile", d.Profile)
	}
	args = append(args, d.Flags...)
	if len(d.Command) > 0 && !d.Written {
		args = append(append(args, "--"), d.Command...)
	}
	return args
}

// Succeeding are the Arguments of a master that takes over an app that already runs.
func (d Definition) Succeeding() []string {
	args := d.Arguments()
	return append([]string{args[0], "--succeed", d.Name}, args[1:]...)
}

// environ returns the environment of the app's master. The PATH of the first start is added,
// because the present one, such as cron's, may lack the app's programs. The variables of the
// definition replace those of the present environment.
func (d Definition) environ(env []string) []string {
	var dirs []string
	for _, variable := range env {
		if path, is := strings.CutPrefix(variable, "PATH="); is {
			dirs = filepath.SplitList(path)
		}
	}
	for _, dir := range filepath.SplitList(d.Path) {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	env = append(slices.Clone(env), "PWD="+d.Dir, "PATH="+strings.Join(dirs, string(filepath.ListSeparator)))
	for name, value := range d.Serving {
		env = append(env, name+"="+value) // of equal names the last one counts
	}
	return env
}

// Environ returns the environment of detached masters: without variables that apply to this
// process only, and without settings, because these are in the definition.
func Environ(env []string, places config.Places) []string {
	var kept []string
	for _, variable := range env {
		name, _, _ := strings.Cut(variable, "=")
		switch {
		case name == "RELEVO_UPGRADE_TIMEOUT": // it is no setting, so it is kept
			kept = append(kept, variable)
		case strings.HasPrefix(name, "RELEVO_"), strings.HasPrefix(name, "LISTEN_"), strings.HasPrefix(name, "WATCHDOG_"),
			strings.HasPrefix(name, "TABLEFLIP_"):
		case name == "NOTIFY_SOCKET", name == "FDSTORE", name == "MAINPID", name == "PWD", name == "SYSTEMD_EXEC_PID",
			name == "NODE_CHANNEL_FD", name == "NODE_UNIQUE_ID", name == "INVOCATION_ID", name == "JOURNAL_STREAM":
		default:
			kept = append(kept, variable)
		}
	}
	return append(kept, "RELEVO_RUNTIME_DIR="+places.Runtime, "RELEVO_STATE_DIR="+places.State)
}
