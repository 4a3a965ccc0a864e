package runtimes

import (
	"errors"
	"path/filepath"
)

// AdvisedError says that a command cannot be run, and names a command that can.
type AdvisedError struct {
	Wrong   string
	Command string // the arguments of relevo run, relevo start or relevo dev
}

func (e *AdvisedError) Error() string { return e.For("run") }

// For returns the message for users of relevo run, relevo start or relevo dev.
func (e *AdvisedError) For(command string) string {
	return e.Wrong + ": relevo " + command + " " + e.Command
}

// nameScript adds to an error the script of the directory that the user probably meant.
func nameScript(m Machine, dir, wrong string) error {
	script := Find(m, dir)
	if script == "" {
		return errors.New(wrong + ", or a command after --")
	}
	return &AdvisedError{Wrong: wrong, Command: filepath.Join(dir, script)}
}
