package launch

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"relevo/config"
	"relevo/pool"
)

// Release is one generation's command with everything that may change looked up
// once: its executable's bytes, its working directory, its environment. It
// implements pool.Release.
type Release struct {
	launcher *Launcher
	command  Command
	dir      string   // resolved
	dirFile  *os.File // dir, open: it can be entered even after it was deleted
	env      []string
	path     string   // of the executable, as given
	file     *os.File // the executable, open since it was hashed
	seen     identity // of the executable when it was hashed
	copied   snapshot
	script   bool // starts with #!
	version  string
}

// Prepare looks up and keeps everything that the command needs. Its errors say
// which file is at fault and what to do.
func (l *Launcher) Prepare(c Command) (*Release, error) {
	r := &Release{launcher: l, command: c}
	var err error
	if r.dir, err = resolveDir(c.Dir); err != nil {
		return nil, err
	}
	if r.dirFile, err = openDir(r.dir); err != nil {
		return nil, fmt.Errorf("cannot use the working directory: %w", err)
	}
	if err := r.lookUp(); err != nil {
		r.dirFile.Close()
		return nil, err
	}
	return r, nil
}

// lookUp finds what the command names: environment files, listeners, the
// executable and its bytes.
func (r *Release) lookUp() (err error) {
	c := r.command
	if r.env, err = appEnv(c); err != nil {
		return err
	}
	if err := CheckArguments(c.Args, c.listenerNames()); err != nil {
		return err
	}
	path := pathOf(environ(os.Environ(), r.env, scene{}))
	if r.path, err = findExecutable(c.Args[0], r.dir, path); err != nil {
		return err
	}
	return r.keepBytes()
}

func resolveDir(dir string) (string, error) {
	if dir == "" {
		dir = "."
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err == nil {
		resolved, err = filepath.Abs(resolved)
	}
	if err != nil {
		return "", fmt.Errorf("cannot use the working directory: %w; create it, or choose another", err)
	}
	if info, err := os.Stat(resolved); err == nil && !info.IsDir() {
		return "", fmt.Errorf("cannot use the working directory: %s is a file; choose a directory", resolved)
	}
	return resolved, nil
}

func appEnv(c Command) ([]string, error) {
	var env []string
	for _, path := range c.EnvFiles {
		variables, err := config.ReadEnvFile(path)
		if err != nil {
			return nil, err
		}
		env = append(env, variables...)
	}
	return append(env, c.Env...), nil
}

// keepBytes opens the executable and takes its snapshot. Without a place for the
// copy the release goes on with the open file, and says so.
func (r *Release) keepBytes() error {
	file, err := os.Open(r.path)
	if err != nil {
		// Execute permission alone is enough to run a program, but not to keep
		// its bytes.
		r.launcher.warn("cannot read the executable: a rollback would run whatever lies there then", "path", r.path, "err", err)
		return nil
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return fmt.Errorf("cannot look at %s: %w", r.path, err)
	}
	head := make([]byte, 2)
	file.ReadAt(head, 0)
	r.script = string(head) == "#!"
	r.file, r.seen = file, identityFrom(info)
	if r.copied, err = r.launcher.snapshotOf(r); err != nil {
		if r.copied.sha256 == "" {
			file.Close()
			return err
		}
		r.launcher.warn("no copy of the executable: its open file has to do", "err", err)
	}
	if build, err := buildinfo.Read(file); err == nil {
		r.version = describeBuild(build)
	}
	return nil
}

// describeBuild renders a Go program's version as v1.4.2 (ab12cd3), as far as
// its build tells.
func describeBuild(build *buildinfo.BuildInfo) string {
	version := build.Main.Version
	if version == "(devel)" {
		version = ""
	}
	for _, setting := range build.Settings {
		if setting.Key == "vcs.revision" {
			version += " (" + setting.Value[:min(7, len(setting.Value))] + ")"
		}
	}
	return strings.TrimSpace(version)
}

// Info describes the release.
func (r *Release) Info() pool.Info {
	return pool.Info{Path: r.path, SHA256: r.copied.sha256, Version: r.version}
}

// Source is the executable as the command names it: no symbolic link on its way
// is resolved, so that one that moves leads to the next release.
func (r *Release) Source() string {
	program := r.command.Args[0]
	if strings.Contains(program, "/") && !filepath.IsAbs(program) && r.command.Dir != "" {
		return r.command.Dir + "/" + strings.TrimPrefix(program, "./")
	}
	return r.path
}

// Close lets go of the bytes: the copy goes unless another release runs it.
func (r *Release) Close() error {
	r.launcher.dropSnapshot(r)
	r.dirFile.Close()
	if r.file != nil {
		return r.file.Close()
	}
	return nil
}

// execPath is what a worker execs: the original path while it holds the bytes
// of this release, so that a program which looks beside itself finds its files;
// the copy, or at least the open file, once it does not. A script always runs
// from its path: its interpreter opens it again by name.
func (r *Release) execPath() (path string, keep *os.File) {
	if now, err := identityOf(r.path); r.file == nil || r.script || (err == nil && now == r.seen) {
		return r.path, nil
	}
	if r.copied.path != "" {
		return r.copied.path, nil
	}
	return "", r.file
}

// node says whether the command is Node itself, which takes its channel from a
// variable of its own. A shell or npm in between would swallow it.
func (r *Release) node() bool {
	name := filepath.Base(r.command.Args[0])
	return name == "node" || name == "nodejs"
}
