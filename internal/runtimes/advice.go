package runtimes

import (
	"errors"
	"path/filepath"
)

// AdvisedError is a command that cannot be run, with one that can.
type AdvisedError struct {
	Wrong   string
	Command string // the arguments of relevo run, relevo start or relevo dev
}

func (e *AdvisedError) Error() string { return e.For("run") }

// For is the text for the user of one of relevo's commands: run, start or dev.
func (e *AdvisedError) For(command string) string {
	return e.Wrong + ": relevo " + command + " " + e.Command
}

// nameScript ends an error by the script of a directory that is probably meant.
func nameScript(m Machine, dir, wrong string) error {
	script := Find(m, dir)
	if script == "" {
		return errors.New(wrong + ", or a command after --")
	}
	return &AdvisedError{Wrong: wrong, Command: filepath.Join(dir, script)}
}
