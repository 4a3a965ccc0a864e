package main

import (
	"bufio"
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

	"relevo/bench/figures"
	"relevo/internal/control"
)

// environment is that of every program measured. MPTCP, Go's default for
// listeners, is off, as in relevo's own listeners, so that both sides serve the
// same kind of socket.
func (b *bench) environment() []string {
	return append(os.Environ(), "RELEVO_RUNTIME_DIR="+b.home, "RELEVO_STATE_DIR="+b.home, "GODEBUG=multipathtcp=0")
}

// app is a running master.
type app struct {
	process *exec.Cmd
	client  *control.Client
	log     bytes.Buffer
	address string
}

// startApp runs a master with this program as its workers and waits until they
// serve.
func (b *bench) startApp(ctx context.Context, workers int, flags ...string) (*app, error) {
	return b.startCommand(ctx, workers, append([]string{"-l", "127.0.0.1:0"}, flags...), b.self, workerVerb)
}

// startCaptured runs a master whose workers bind their port themselves.
func (b *bench) startCaptured(ctx context.Context, workers int, flags ...string) (*app, error) {
	address, err := figures.FreeAddress()
	if err != nil {
		return nil, err
	}
	return b.startCommand(ctx, workers, flags, b.self, plainVerb, address)
}

// startCommand runs a master with any program as its workers.
func (b *bench) startCommand(ctx context.Context, workers int, flags []string, command ...string) (*app, error) {
	return b.startPool(ctx, quota{}, fmt.Sprint(workers), workers, flags, command...)
}

// startPool runs a master within a quota, and waits until the first workers serve.
func (b *bench) startPool(ctx context.Context, q quota, numbers string, workers int, flags []string,
	command ...string) (*app, error) {
	b.apps++
	name := fmt.Sprintf("bench%d", b.apps)
	args := append([]string{b.relevo, "run", "--name", name, "-n", numbers}, flags...)
	args = q.command(append(append(args, "--"), command...)...)
	a := &app{process: exec.Command(args[0], args[1:]...)}
	a.process.Env, a.process.Stderr = b.environment(), &a.log
	if err := a.process.Start(); err != nil {
		return nil, fmt.Errorf("cannot start relevo: %w", err)
	}
	if err := a.await(ctx, filepath.Join(b.home, name+".sock"), workers); err != nil {
		a.process.Process.Kill()
		a.process.Wait()
		return nil, fmt.Errorf("%w\n%s", err, a.log.String())
	}
	return a, nil
}

// await looks until all workers serve.
func (a *app) await(ctx context.Context, socket string, workers int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute+time.Duration(workers)*time.Second/4)
	defer cancel()
	for look := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			look.Stop()
			return errors.New("cannot use the pool: it does not start")
		case <-look.C:
		}
		client, err := control.Connect(ctx, socket)
		if err != nil {
			continue
		}
		if status, err := client.Status(ctx); err == nil && settled(status, workers) {
			look.Stop()
			a.client, a.address = client, status.Listeners[0].Address
			return nil
		}
	}
}

func settled(s control.Status, workers int) bool {
	if s.State != "running" || len(s.Workers) != workers || len(s.Listeners) == 0 {
		return false
	}
	for _, w := range s.Workers {
		if w.State != "serving" {
			return false
		}
	}
	return true
}

func (a *app) stop() error {
	a.process.Process.Signal(syscall.SIGTERM)
	if err := a.process.Wait(); err != nil {
		return fmt.Errorf("cannot end a master in an orderly way: %w\n%s", err, a.log.String())
	}
	return nil
}

func freePort() (string, error) {
	address, err := figures.FreeAddress()
	_, port, _ := strings.Cut(address, ":")
	return port, err
}

// bare is the same worker without a master.
type bare struct {
	process *exec.Cmd
	address string
	started time.Duration // from its start to its listening
}

func (b *bench) startBare() (*bare, error) { return b.startAlone(b.self, workerVerb) }

// startAlone runs a program that prints its address once it listens.
func (b *bench) startAlone(command ...string) (*bare, error) {
	p := &bare{process: exec.Command(command[0], command[1:]...)}
	p.process.Env = b.environment()
	out, err := p.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := p.process.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the bare program: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("cannot learn the address of the bare program: %w", err)
	}
	p.started, p.address = time.Since(begin), strings.TrimSpace(line)
	return p, nil
}

// stop ends the program; one that has not got to its signal handler yet dies of
// the signal, which is just as well here.
func (p *bare) stop() {
	p.process.Process.Signal(syscall.SIGTERM)
	p.process.Wait()
}
