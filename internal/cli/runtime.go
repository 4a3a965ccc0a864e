package cli

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"relevo/internal/config"
	"relevo/internal/launch"
	"relevo/internal/runtimes"
	"relevo/internal/safefile"
)

// localMachine implements the view of files and programs that package runtimes needs.
type localMachine struct {
	path        string // PATH of the workers
	dir         string // their working directory; relative parts of PATH start there
	nodeVersion func() string
}

func newLocalMachine(app config.App) localMachine {
	m := localMachine{path: searchPath(app), dir: app.Dir}
	m.nodeVersion = sync.OnceValue(func() string { return nodeVersion(m.Find("node"), app.Limits) })
	return m
}

func (localMachine) ReadFile(path string) ([]byte, error) { return safefile.Read(path, 4<<20) }

func (localMachine) IsFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func (localMachine) IsDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (localMachine) Executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0
}

func (localMachine) FirstLine(path string) string {
	file, err := safefile.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	start := make([]byte, 256) // the kernel reads no more of a #! line
	n, _ := file.Read(start)
	line, _, _ := strings.Cut(string(start[:n]), "\n")
	text, marked := strings.CutPrefix(line, "#!")
	if !marked {
		return ""
	}
	return strings.TrimSpace(text)
}

func (m localMachine) Find(program string) string {
	if strings.Contains(program, "/") {
		return ""
	}
	for _, place := range filepath.SplitList(m.path) {
		if !filepath.IsAbs(place) {
			place = filepath.Join(m.dir, place)
		}
		if found, err := exec.LookPath(filepath.Join(place, program)); err == nil {
			return found
		}
	}
	return ""
}

func (m localMachine) NodeVersion() string { return m.nodeVersion() }

// nodePatience is longer than Node needs to print its version on a busy machine.
const nodePatience = 20 * time.Second

// nodeVersion runs node --version as the user of the workers. As PID 1, the reaper may have reaped
// the child already, so an error of Wait does not matter if there is output.
func nodeVersion(node string, limits config.Limits) string {
	account, err := launch.LookUpUser(limits.User, limits.Group)
	if node == "" || err != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), nodePatience)
	defer cancel()
	ask := exec.CommandContext(ctx, node, "--version")
	ask.Env, ask.Dir = []string{}, "/"
	if account != nil {
		ask.SysProcAttr = &syscall.SysProcAttr{Credential: credential(account)}
	}
	said, _ := ask.Output()
	version := strings.TrimSpace(string(said))
	if !strings.HasPrefix(version, "v") {
		return ""
	}
	return version
}

func credential(a *launch.Account) *syscall.Credential {
	c := &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)}
	for _, group := range a.Groups {
		c.Groups = append(c.Groups, uint32(group))
	}
	return c
}

// runtimeOf finds the executable and arguments for a script, a package or a package manager.
func runtimeOf(app config.App) (runtimes.Command, error) {
	if c, is, err := servedBy(app); is {
		return c, err
	}
	return runtimes.Resolve(newLocalMachine(app), app.Dir, phpAddress(app), app.Command)
}

// use makes a command the command of the app.
func use(app config.App, c runtimes.Command) config.App {
	app.Command = c.Args
	if c.Dir != "" {
		app.Dir = c.Dir
	}
	if len(c.Path) > 0 {
		c.Set = append(c.Set, "PATH="+strings.Join(append(c.Path, searchPath(app)), ":"))
	}
	app.Env = lastOf(slices.Concat(c.Env, app.Env, c.Set))
	return app
}

// lastOf keeps the last value of each variable.
func lastOf(env []string) (kept []string) {
	seen := map[string]bool{}
	for _, variable := range slices.Backward(env) {
		if name, _, _ := strings.Cut(variable, "="); !seen[name] {
			seen[name] = true
			kept = append(kept, variable)
		}
	}
	slices.Reverse(kept)
	return kept
}

// runtimeError means that a command cannot be resolved: its script or interpreter is missing.
// Installing that may mend it without a change of the configuration.
type runtimeError struct{ error }

func (e *runtimeError) Unwrap() error { return e.error }

// withRuntime resolves the sources and then the command, with notes for the user. The app's name
// may come from either.
func withRuntime(sources config.Sources) (app config.App, notes []string, err error) {
	written, _ := sources.Resolve() // a name that cannot be made from the command may be made from the script
	c, wrong := runtimeOf(written)
	if wrong != nil {
		c.Name = "app" // a missing name is not reported as a second error
	}
	app, err = named(sources, c).Resolve()
	if wrong != nil {
		if err == nil {
			return app, nil, &runtimeError{sources.Blame("command", wrong)}
		}
		return app, nil, err
	}
	return use(app, c), slices.Concat(c.Notes, sources.Remarks()), err
}

// named gives an app without a name the name of its resolved command.
func named(sources config.Sources, c runtimes.Command) config.Sources {
	if sources.Defaults.Name == "" {
		sources.Defaults.Name = config.NameOf(c.Name)
	}
	return sources
}

// asWritten returns the app of the sources with the command as the user wrote it, and with the name
// that it would get at a start.
func asWritten(sources config.Sources) (config.App, error) {
	app, _ := sources.Resolve()
	if c, err := runtimeOf(app); err == nil { // the files may be created later
		sources = named(sources, c)
	}
	app, err := sources.Resolve()
	return fitting(sources, app, err)
}

// phpAddress is the placeholder for the address of the first TCP listener, once that is open.
func phpAddress(app config.App) string {
	for _, l := range app.Listen {
		if strings.HasPrefix(string(l.Network), "tcp") {
			return "{addr:" + l.Name + "}"
		}
	}
	return ""
}

// searchPath is the PATH of the workers, as far as the configuration sets it.
func searchPath(app config.App) string {
	path := "/usr/local/bin:/usr/bin:/bin"
	if inherited := os.Getenv("PATH"); inherited != "" && app.EnvInherit.Takes("PATH") {
		path = inherited
	}
	var env []string
	for _, file := range app.EnvFiles {
		variables, _ := config.ReadEnvFile(file) // errors of the file are reported at the start
		env = append(env, variables...)
	}
	for _, variable := range append(env, app.Env...) {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			path = value
		}
	}
	return path
}
