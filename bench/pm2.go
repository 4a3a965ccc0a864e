package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// pm2Version is installed where the machine has no pm2.
const pm2Version = "pm2@7"

// pm2 compares four Node workers behind relevo with four of PM2 in its cluster mode.
func pm2(ctx context.Context, b *bench) error {
	program, err := b.findPM2(ctx)
	if err != nil {
		return err
	}
	n, err := b.startNode(ctx)
	if err != nil {
		return err
	}
	run := func(args ...string) error {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = append(os.Environ(), "PM2_HOME="+filepath.Join(b.dir, "pm2"))
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("cannot run pm2 %s: %w: %s", args[0], err, said)
		}
		return nil
	}
	theirs := "127.0.0.1:" + n.freePort
	if err = run("start", n.script, "-i", "4", "--", n.freePort); err == nil {
		err = answers(ctx, theirs)
	}
	if err == nil {
		err = b.comparePair(ctx, "throughput of 4 Node workers / PM2's cluster of 4", "≥ 2.3", "≥ 1.8", n.address, theirs)
	}
	return errors.Join(err, run("kill"), n.stop())
}

// findPM2 installs PM2 into the folder of this run where there is none.
func (b *bench) findPM2(ctx context.Context) (program string, err error) {
	if program, err = exec.LookPath("pm2"); err == nil {
		return program, nil
	}
	place := filepath.Join(b.dir, "npm")
	said, err := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--prefix", place,
		pm2Version).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cannot install PM2: %w: %s", err, said)
	}
	return filepath.Join(place, "node_modules", ".bin", "pm2"), nil
}

// answers waits until a program serves.
func answers(ctx context.Context, address string) error {
	for {
		_, err := ask(ctx, "http://"+address+"/")
		if err == nil {
			return nil
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			return fmt.Errorf("cannot reach %s: %w", address, err)
		}
	}
}
