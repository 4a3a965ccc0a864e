package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"relevo/internal/runtimes"
)

// findExecutable returns the absolute path of the program, symbolic links not
// resolved. A name without a slash is looked up in PATH of the worker's own
// environment; a relative path counts from the working directory.
func findExecutable(program, dir, pathVariable string) (string, error) {
	if strings.Contains(program, "/") {
		if !filepath.IsAbs(program) {
			program = filepath.Join(dir, program)
		}
		return program, diagnoseFile(program, pathVariable)
	}
	var refused error
	for _, place := range filepath.SplitList(pathVariable) {
		if place == "" {
			place = "."
		}
		candidate := filepath.Join(place, program)
		if !filepath.IsAbs(candidate) {
			candidate = filepath.Join(dir, candidate)
		}
		if _, err := os.Stat(candidate); err != nil {
			continue // it does not exist, or this user may not enter its directory
		}
		err := diagnoseFile(candidate, pathVariable)
		if err == nil {
			return candidate, nil
		}
		if refused == nil {
			refused = err
		}
	}
	if refused != nil {
		return "", refused
	}
	return "", notInPath(program, dir, pathVariable)
}

func notInPath(program, dir, pathVariable string) error {
	err := fmt.Errorf("cannot run %s: not found in PATH (%s)", program, pathVariable)
	if info, statErr := os.Stat(filepath.Join(dir, program)); statErr == nil && info.Mode().IsRegular() {
		return fmt.Errorf("%w; there is one in %s: write ./%s", err, dir, program)
	}
	if hint := runtimes.InstallHint(program); hint != "" {
		return fmt.Errorf("%w; %s; or give its path, or set PATH for the workers with --env", err, hint)
	}
	return fmt.Errorf("%w; install it, give its path, or set PATH for the workers with --env", err)
}

// programError says why a file cannot be run. It keeps the cause for errors.Is.
type programError struct {
	path, why string
	cause     error
}

func (e *programError) Error() string { return "cannot run " + e.path + ": " + e.why }
func (e *programError) Unwrap() error { return e.cause }

// pathOf returns the PATH of an environment.
func pathOf(env []string) string {
	for _, variable := range env {
		if value, ok := strings.CutPrefix(variable, "PATH="); ok {
			return value
		}
	}
	return "/usr/local/bin:/usr/bin:/bin"
}

// interpreterPath finds the interpreter that a line with #! names: NAME, if the line is
// "#!/usr/bin/env NAME".
func interpreterPath(line, pathVariable string) (string, error) {
	fields := strings.Fields(strings.TrimPrefix(line, "#!"))
	if len(fields) == 0 {
		return "", errors.New("its first line is #! without an interpreter")
	}
	// For the kernel the carriage return is a part of the interpreter's name, or of its
	// argument, and its error is "no such file".
	if strings.HasSuffix(line, "\r") {
		return "", fmt.Errorf(`its interpreter %s\r does not exist (the file has Windows line ends); convert it: `+
			`sed -i 's/\r$//' FILE`, fields[0])
	}
	if _, err := os.Stat(fields[0]); err != nil {
		return "", fmt.Errorf("its interpreter %s does not exist; install it, or correct the first line", fields[0])
	}
	if filepath.Base(fields[0]) != "env" || len(fields) < 2 || strings.HasPrefix(fields[1], "-") {
		return fields[0], nil
	}
	return interpreterInPath(fields[1], pathVariable)
}

func interpreterInPath(name, pathVariable string) (string, error) {
	for _, place := range filepath.SplitList(pathVariable) {
		if found, err := exec.LookPath(filepath.Join(place, name)); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("its interpreter %s is not in PATH (%s); install it, or set PATH for the workers with --env",
		name, pathVariable)
}
