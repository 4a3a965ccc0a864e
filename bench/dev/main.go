// Command dev measures `relevo dev` beside other tools that build and restart on
// a save, and prints the tables of docs/benchmarks.md:
//
//	go run ./bench/dev               everything, about ten minutes
//	go run ./bench/dev -quick        fewer saves
//	go run ./bench/dev -only idle    one table: latency loss idle
//
// air and wgo are installed into a scratch directory by the go command. All tools
// build the same program, one after the other, on the same machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// plan is how much is measured.
type plan struct {
	edits int // of the latency
	saves int // of the losses
	warm  time.Duration
	files int // of the idle tree
	idle  time.Duration
}

var (
	full  = plan{edits: 20, saves: 50, warm: 800 * time.Millisecond, files: 10000, idle: 30 * time.Second}
	quick = plan{edits: 4, saves: 5, warm: 800 * time.Millisecond, files: 10000, idle: 5 * time.Second}
)

// bench is what all measurements share.
type bench struct {
	plan plan
	dir  string // scratch
	bin  string // of the tools
	repo string
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench/dev:", err)
		os.Exit(1)
	}
}

func run() error {
	short := flag.Bool("quick", false, "fewer saves")
	only := flag.String("only", "", "one table: latency loss idle")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	b, err := newBench(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.plan = full; *short {
		b.plan = quick
	}
	for _, table := range []struct {
		name    string
		measure func(context.Context) error
	}{{"latency", b.latency}, {"loss", b.loss}, {"idle", b.idle}} {
		if *only == "" || *only == table.name {
			if err := table.measure(ctx); err != nil {
				return fmt.Errorf("cannot measure %s: %w", table.name, err)
			}
		}
	}
	return nil
}

// The versions that are compared.
const (
	airPath = "github.com/air-verse/air@v1.67.2"
	wgoPath = "github.com/bokwoon95/wgo@v0.7.1"
)

func newBench(ctx context.Context) (*bench, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", "relevo").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot find the repository (run this in it): %w", err)
	}
	dir, err := os.MkdirTemp("", "relevo-dev")
	if err != nil {
		return nil, fmt.Errorf("cannot make a scratch directory: %w", err)
	}
	b := &bench{dir: dir, bin: filepath.Join(dir, "bin"), repo: strings.TrimSpace(string(out))}
	if err := b.goTo(b.repo, "install", "relevo"); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return b, nil
}

// install fetches and builds a tool. If that fails, it prints why, and the tool is left
// out. The module made for it asks for exactly this version: `go install` also asks for
// the list of all versions, which not every proxy gives.
func (b *bench) install(path string) bool {
	name, version, _ := strings.Cut(path, "@")
	dir := filepath.Join(b.dir, "tool-"+filepath.Base(name))
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		text := fmt.Sprintf("module tool\n\ngo 1.26.0\n\nrequire %s %s\n", name, version)
		err = os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644)
	}
	if err == nil {
		err = b.goTo(dir, "build", "-mod=mod", "-o", b.bin+"/", name)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "left out:", err)
	}
	return err == nil
}

func (b *bench) goTo(dir string, args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOBIN="+b.bin, "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot %s %s: %w\n%s", args[0], args[len(args)-1], err, out)
	}
	return nil
}
