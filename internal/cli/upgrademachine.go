package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"relevo/internal/control"
	"relevo/internal/phrase"
	"relevo/internal/printable"
	"relevo/internal/procfs"
	"relevo/internal/procnet"
)

// upgradeMachine upgrades all masters of this program, one after the other. A failure does not keep
// the others from being upgraded; the exit code is that of the first one.
func (c *cli) upgradeMachine(ctx context.Context, asJSON bool) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot tell which program this is: %w", err)
	}
	var values []any
	collecting := *c
	collecting.collect = func(v any) { values = append(values, v) }
	var failed error
	masters, hidden := 0, 0
	for _, pid := range procfs.All() {
		socket := masterSocket(pid, program)
		if socket == "" {
			if hiddenNamesake(pid, program) {
				hidden++
			}
			continue
		}
		masters++
		if err := collecting.upgradeAt(ctx, socket, asJSON); err != nil {
			fmt.Fprintln(c.stderr, c.paint(c.color, red, "relevo:"), printable.Text(err.Error()))
			if failed == nil {
				failed = err
			}
		}
	}
	switch {
	case asJSON:
		if err := c.printJSON(append([]any{}, values...)); err != nil {
			return err
		}
	case masters == 0:
		fmt.Fprintln(c.stdout, noneRuns)
	}
	if hidden > 0 {
		fmt.Fprintf(c.stderr, "cannot look at %s of other users, named %s: if they are masters, run this as root\n",
			phrase.Count(hidden, "process"), filepath.Base(program))
	}
	if failed != nil {
		return &exitOnly{control.ExitCode(failed)}
	}
	return nil
}

// hiddenNamesake says whether a process has the program's name, and belongs to another user, so that
// it cannot be known whether it runs the program.
func hiddenNamesake(pid int, program string) bool {
	const longest = 15 // proc_pid_comm(5)
	_, err := procfs.Of(pid).Program()
	name := filepath.Base(program)
	return errors.Is(err, fs.ErrPermission) && procfs.Of(pid).Name() == name[:min(len(name), longest)]
}

func (c *cli) upgradeAt(ctx context.Context, socket string, asJSON bool) error {
	client, err := control.Connect(ctx, socket)
	if err != nil {
		return err
	}
	if !asJSON {
		return c.upgradeOne(ctx, client, false)
	}
	one := *c
	one.collect = func(v any) { c.collect(withName(client.Name(), v)) }
	return one.upgradeOne(ctx, client, true)
}

// masterSocket returns the control socket of a process that is a master of the program, outside of
// other containers; else "". A program file that was replaced is "(deleted)".
func masterSocket(pid int, program string) string {
	exe, err := procfs.Of(pid).Program()
	if err != nil || strings.TrimSuffix(exe, " (deleted)") != program {
		return ""
	}
	here, _ := os.Readlink("/proc/self/ns/pid")
	if there, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); err != nil || there != here {
		return ""
	}
	for _, path := range procnet.UnixListeners(pid) {
		if filepath.IsAbs(path) && strings.HasSuffix(path, ".sock") && isControlSocket(path) {
			return path
		}
	}
	return ""
}

// isControlSocket tells a master's socket from those of its app by the lock beside it.
func isControlSocket(path string) bool { return isFile(strings.TrimSuffix(path, ".sock") + ".lock") }
