package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"relevo/bench/figures"
	"relevo/internal/control"
)

// manyApps is how many apps of one worker are started in the background.
const manyApps = 100

// rest is the time after which masters that have started only serve: half a second after the start they
// collect garbage, a hundred of them at about the same time.
const rest = 3 * time.Second

// background measures many apps in the background: their start, the list of them, and what
// one master an app costs in memory that it shares with no other.
func background(ctx context.Context, b *bench) error {
	dir := filepath.Join(b.dir, "apps")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	relevo := func(args ...string) (out []byte, took time.Duration, err error) {
		command := exec.CommandContext(ctx, b.relevo, args...)
		command.Dir, command.Env = dir, b.environment()
		var said strings.Builder
		command.Stderr = &said
		began := time.Now()
		if out, err = command.Output(); err != nil {
			err = fmt.Errorf("cannot run relevo %s: %w: %s", strings.Join(args, " "), err, said.String())
		}
		return out, time.Since(began), err
	}
	if err := os.WriteFile(filepath.Join(dir, "relevo.toml"), []byte(b.manyApps()), 0o644); err != nil {
		return err
	}
	defer relevo("delete", "all", "--force", "--purge")
	_, start, err := relevo("start")
	if err != nil {
		return err
	}
	b.table.row(fmt.Sprintf("%d apps × 1 worker: start of all, s", manyApps), fmt.Sprintf("%.1f", start.Seconds()), "≤ 3")
	if err := pause(ctx, rest); err != nil {
		return err
	}
	for _, form := range [][]string{{"list"}, {"list", "--json"}} {
		var lists []float64
		for range b.plan.rolls * 2 {
			_, took, err := relevo(form...)
			if err != nil {
				return err
			}
			lists = append(lists, figures.Milliseconds(took))
		}
		b.table.row(fmt.Sprintf("relevo %s of %d apps, ms", strings.Join(form, " "), manyApps),
			figures.Spread(lists, "%.0f"), "≤ 50")
	}
	out, _, err := relevo("list", "--json")
	if err != nil {
		return err
	}
	return b.privateMemory(out)
}

// manyApps is a configuration file with as many apps.
func (b *bench) manyApps() string {
	var text strings.Builder
	fmt.Fprintf(&text, "command = [%q, %q]\nlisten = [\"127.0.0.1:0\"]\nworkers = 1\n", b.self, workerVerb)
	for i := range manyApps {
		fmt.Fprintf(&text, "[app.app%d]\n", i+1)
	}
	return text.String()
}

// privateMemory is the row of what each master has for itself alone.
func (b *bench) privateMemory(list []byte) error {
	var apps []control.Status
	if err := json.Unmarshal(list, &apps); err != nil {
		return fmt.Errorf("cannot read the list: %w", err)
	}
	var private []float64
	for _, app := range apps {
		mib, err := figures.Memory(app.PID, "Private_Clean", "Private_Dirty")
		if err != nil {
			return err
		}
		private = append(private, mib)
	}
	b.table.row("private memory of each of their masters, MiB", figures.Spread(private, "%.1f"), "≤ 4")
	return nil
}
