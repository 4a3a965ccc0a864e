package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"relevo/internal/printable"
	"relevo/internal/prove"
)

// The shell's codes for a command that it cannot execute, or does not find.
const (
	shellCannotExecute = 126
	shellNotFound      = 127
)

// duringCommand runs a command line by the shell and tells how it failed. The command stays in the
// terminal's foreground, so that sudo can ask for a password.
type duringCommand struct{ line string }

// run returns when the shell has ended. Processes that the command leaves in the background can
// still write: the output is a file without a name, not a pipe.
func (d duringCommand) run(ctx context.Context) error {
	output, err := os.CreateTemp("", "relevo-prove-")
	if err != nil {
		return fmt.Errorf("%w %q: no place for its output: %w", prove.ErrCannotRun, d.line, err)
	}
	defer output.Close()
	_ = os.Remove(output.Name())
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", d.line)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	d.awaitInterrupt(ctx, err)
	return d.failure(err, lastLine(output))
}

// awaitInterrupt waits a little after a command that Ctrl-C has ended: relevo gets the same signal,
// and then this is no failure of the command.
func (d duringCommand) awaitInterrupt(ctx context.Context, err error) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() && status.ExitStatus() <= 128 {
		return
	}
	t := time.NewTimer(repeated)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

func (d duringCommand) failure(err error, last string) error {
	if err == nil {
		return nil
	}
	if last != "" {
		last = ": " + last
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() == shellNotFound || exit.ExitCode() == shellCannotExecute) {
		return fmt.Errorf("%w %q: %w%s: correct --during", prove.ErrCannotRun, d.line, err, last)
	}
	return fmt.Errorf("%s: %w%s", d.line, err, last)
}

// lastLine returns the last line of a file that is not blank.
func lastLine(file *os.File) string {
	const most = 4 << 10
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	tail := make([]byte, min(size, most))
	n, _ := file.ReadAt(tail, size-int64(len(tail)))
	lines := bytes.Split(bytes.TrimSpace(tail[:n]), []byte("\n"))
	return printable.Text(strings.TrimSpace(string(lines[len(lines)-1])))
}
