package ask

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Command is how commands are run.
type Command struct {
	Dir        string
	Env        []string            // in addition to the environment of this process
	Credential *syscall.Credential // whom it runs as; nil: as this process
	// Start and Reap tell of a child's birth and end (package reaper).
	Start func(start func() (pid int, err error)) error
	Reap  func(pid int, reap func())
}

// mostOutput is how much of a command's output is kept, in bytes.
const mostOutput = 4 << 10

// run runs a command of the shell for the target. Its process group ends with it.
func (t Target) run(ctx context.Context, command string) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		write.Close()
		return err
	}
	defer null.Close()
	var child *os.Process
	err = t.Command.Start(func() (int, error) {
		var err error
		child, err = os.StartProcess("/bin/sh", []string{"sh", "-c", command}, &os.ProcAttr{
			Dir: t.Command.Dir, Env: t.environ(), Files: []*os.File{null, write, write},
			Sys: &syscall.SysProcAttr{Setpgid: true, Credential: t.Command.Credential},
		})
		if err != nil {
			return 0, err
		}
		return child.Pid, nil
	})
	write.Close()
	if err != nil {
		return fmt.Errorf("cannot run it: %w", err)
	}
	return t.await(ctx, child, read)
}

// await waits for the end of the child. Its family goes before it is reaped, while its
// number still belongs to it.
func (t Target) await(ctx context.Context, child *os.Process, output *os.File) error {
	var said bytes.Buffer
	var reading sync.WaitGroup
	reading.Go(func() {
		io.CopyN(&said, output, mostOutput)
		io.Copy(io.Discard, output)
	})
	stop := context.AfterFunc(ctx, func() { syscall.Kill(-child.Pid, syscall.SIGKILL) })
	dead := awaitDeath(child.Pid)
	if dead {
		stop()
		syscall.Kill(-child.Pid, syscall.SIGKILL)
	}
	var state *os.ProcessState
	var err error
	t.Command.Reap(child.Pid, func() { state, err = child.Wait() })
	stop()
	output.SetReadDeadline(time.Now().Add(lastWords)) // a child of it that left its group may hold it
	reading.Wait()
	switch {
	case err != nil:
		return fmt.Errorf("cannot learn how it ended: %w", err)
	case state.Success():
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	text := state.String()
	if line := beginning(said.Bytes()); line != "" {
		text += ": " + line
	}
	return errors.New(text)
}

// lastWords is how long what a command has written is waited for after its end.
const lastWords = 20 * time.Millisecond

func (t Target) environ() []string {
	return append(append(os.Environ(), t.Command.Env...),
		"RELEVO_WORKER_PID="+strconv.Itoa(t.PID), "RELEVO_SLOT="+strconv.Itoa(t.Slot), "RELEVO_ADDRESS="+t.Address)
}
