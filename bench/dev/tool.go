package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"relevo/bench/figures"
	"strings"
	"sync"
	"syscall"
	"time"
)

// tool is one way to restart the program on each save.
type tool struct {
	name string
	args []string
	pkg  string // to install first; empty: nothing
}

// tools are compared in this order.
func (b *bench) tools() []tool {
	air := []string{b.bin + "/air", "--build.cmd", "go build -o ./tmp/main .", "--build.entrypoint", "./tmp/main",
		"--misc.clean_on_exit", "true"}
	return []tool{
		{name: "relevo dev", args: []string{b.bin + "/relevo", "dev", "--log-level", "debug", "--log-format", "text"}},
		{name: "air, default", args: air, pkg: airPath},
		{name: "air, delay=50", args: append(air[:len(air):len(air)], "--build.delay", "50"), pkg: airPath},
		{name: "wgo, default", args: []string{b.bin + "/wgo", "run", "."}, pkg: wgoPath},
		{name: "wgo, 50ms", args: []string{b.bin + "/wgo", "run", "-debounce", "50ms", "."}, pkg: wgoPath},
	}
}

// running is a tool at work.
type running struct {
	cmd     *exec.Cmd
	out     *buffer
	ended   chan struct{}
	address string
}

func (b *bench) start(t tool, p project, warm time.Duration) (*running, error) {
	address, err := figures.FreeAddress()
	if err != nil {
		return nil, err
	}
	r := &running{address: address, out: &buffer{}, ended: make(chan struct{})}
	r.cmd = exec.Command(t.args[0], t.args[1:]...)
	r.cmd.Dir = p.dir
	r.cmd.Env = append(os.Environ(), "PWD="+p.dir, "BENCH_ADDR="+address, "BENCH_WARM="+warm.String(),
		"GODEBUG=multipathtcp=0",
		"RELEVO_LISTEN="+address, "RELEVO_RUNTIME_DIR="+b.dir, "RELEVO_STATE_DIR="+filepath.Join(b.dir, "state"))
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.out
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := r.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", t.name, err)
	}
	go func() { r.cmd.Wait(); close(r.ended) }()
	return r, nil
}

func (r *running) stop() {
	r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.ended:
	case <-time.After(5 * time.Second):
	}
	syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
	<-r.ended
}

// ask makes a new connection and returns the version that answers.
func (r *running) ask(timeout time.Duration) (string, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: timeout}
	response, err := client.Get("http://" + r.address + "/")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	version, _, _ := strings.Cut(string(body), " ")
	return version, err
}

// probeEvery is the pause between two probes.
const probeEvery = 2 * time.Millisecond

// await asks until a version answers.
func (r *running) await(ctx context.Context, version string) error {
	giveUp := time.Now().Add(stuckAfter)
	for time.Now().Before(giveUp) {
		if got, err := r.ask(10 * time.Second); err == nil && got == version {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.ended:
			return fmt.Errorf("it has ended:\n%s", r.out)
		case <-time.After(probeEvery):
		}
	}
	return errStuck
}

// errStuck is returned for a save that is not served.
var errStuck = errors.New("the save is not served")

// losses counts what happens to clients that do not try again.
type losses struct {
	mu                            sync.Mutex
	asked, refused, broken, other int
	stuck                         int           // saves that were never served
	gap                           time.Duration // the longest without an answer
}

// load asks on new connections, one after the other, until ctx ends.
func (r *running) load(ctx context.Context, l *losses) {
	last := time.Now()
	for ctx.Err() == nil {
		_, err := r.ask(30 * time.Second)
		l.mu.Lock()
		l.asked++
		switch {
		case err == nil:
			l.gap = max(l.gap, time.Since(last))
			last = time.Now()
		case errors.Is(err, syscall.ECONNREFUSED):
			l.refused++
		case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			l.broken++
		default:
			l.other++
		}
		l.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(probeEvery):
		}
	}
}

// buffer is what a tool says.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
