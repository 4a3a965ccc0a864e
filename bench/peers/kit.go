package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"relevo/bench/figures"
	"relevo/internal/procfs"
)

// kit is what all measurements share.
type kit struct {
	plan   plan
	dir    string   // scratch
	bin    string   // of what is built and installed
	chosen []string // parts of peers' names; empty: all
	places int      // directories that were given out
	table  string   // that is measured
	commit string   // that relevo was built from
}

// newKit builds relevo. The process becomes the reaper of what its peers leave behind, so that
// it can end all of it.
func newKit(ctx context.Context, chosen []string) (*kit, error) {
	if err := becomeReaper(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return nil, fmt.Errorf("cannot make a scratch directory: %w", err)
	}
	k := &kit{dir: dir, bin: filepath.Join(dir, "bin"), chosen: chosen}
	if err = os.Mkdir(k.bin, 0o755); err == nil {
		err = figures.BuildRelevo(ctx, filepath.Join(k.bin, "relevo"))
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	k.commit = commit(ctx)
	return k, nil
}

// commit is that of the sources, with + if they have changed since.
func commit(ctx context.Context) string {
	said, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty=+", "--exclude=*").Output()
	if err != nil {
		return "an unknown commit"
	}
	return "commit " + strings.TrimSpace(string(said))
}

func (k *kit) close() {
	endAll(procfs.Tree(os.Getpid())[1:])
	os.RemoveAll(k.dir)
}

// endAll ends processes at once, also those that are not children of this process.
func endAll(pids []int) {
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, pid := range pids {
		var status unix.WaitStatus
		unix.Wait4(pid, &status, unix.WNOHANG, nil)
	}
}

// place makes a directory for one peer at one table, with short paths for sockets in it.
func (k *kit) place() (string, error) {
	k.places++
	dir := filepath.Join(k.dir, fmt.Sprint(k.places))
	return dir, os.MkdirAll(filepath.Join(dir, "home"), 0o755)
}

// environment keeps what a peer stores out of the user's home.
func (k *kit) environment(dir string, more ...string) []string {
	return append(append(os.Environ(),
		"HOME="+filepath.Join(dir, "home"), "PATH="+k.bin+":"+filepath.Join(k.dir, "node_modules/.bin")+":"+os.Getenv("PATH"),
		"RELEVO_RUNTIME_DIR="+filepath.Join(dir, "run"), "RELEVO_STATE_DIR="+filepath.Join(dir, "state"),
		"PM2_HOME="+filepath.Join(dir, "pm2"), "GODEBUG=multipathtcp=0"), more...)
}

// install has npm install packages that are not there yet.
func (k *kit) install(ctx context.Context, packages ...string) error {
	var missing []string
	for _, p := range packages {
		name, _, _ := strings.Cut(p, "@")
		if _, err := os.Stat(filepath.Join(k.dir, "node_modules", name)); err != nil {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	args := append([]string{"install", "--no-audit", "--no-fund", "--prefix", k.dir}, missing...)
	if said, err := exec.CommandContext(ctx, "npm", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("cannot install %s: %w: %s", strings.Join(missing, " "), err, lastLine(said))
	}
	return nil
}

func lastLine(text []byte) string {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(lines[len(lines)-1])
}

// run runs a program to its end.
func (s *service) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	// A program may leave a daemon behind that holds its output: that goes to a file.
	out, err := os.CreateTemp(s.dir, "out")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := s.command(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	said, readErr := os.ReadFile(out.Name())
	if err != nil {
		return nil, fmt.Errorf("cannot run %s %s: %w: %s", program, strings.Join(args, " "), err, said)
	}
	return said, readErr
}

// command is a program in the peer's directory; it is found in the scratch directory first.
func (s *service) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	for _, dir := range []string{s.kit.bin, filepath.Join(s.kit.dir, "node_modules/.bin")} {
		if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
			program = filepath.Join(dir, program)
			break
		}
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = s.dir, s.kit.environment(s.dir, s.env...)
	// A session of its own, as a service has: Linux shares the processors between sessions first (autogroup), and
	// the load is in another one.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// child is a program that runs until the service ends.
type child struct {
	pid   int
	ended chan struct{}
}

// begin starts a program whose output goes to a file of the peer's directory.
func (s *service) begin(program string, args ...string) (*child, error) {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := s.command(context.Background(), program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", program, err)
	}
	c := &child{pid: cmd.Process.Pid, ended: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(c.ended)
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.children = append(s.children, c)
	return c, nil
}

// terminate asks a program to end, and ends it after a while.
func (c *child) terminate() {
	syscall.Kill(c.pid, syscall.SIGTERM)
	select {
	case <-c.ended:
	case <-time.After(10 * time.Second):
		syscall.Kill(-c.pid, syscall.SIGKILL)
		<-c.ended
	}
}
