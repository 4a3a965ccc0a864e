package conductor

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"relevo/internal/fleet/plan"
	"relevo/internal/fleet/relevo-fleet/store"
)

// checks run a deploy's check while a stage bakes: at once, then again and again. What counts at the end is one
// that began after the stage had baked.
type checks struct {
	ended   chan verdict // from the one that runs
	stage   string       // that the fields below are about
	running bool
	last    time.Time
	passed  bool // one that began at the end has passed
	failed  string
	done    sync.WaitGroup
}

// verdict is the end of one check.
type verdict struct {
	stage string
	final bool
	err   error
}

// checkEvery is the time between two checks, checkPatience that of one.
const (
	checkEvery    = 10 * time.Second
	checkPatience = time.Minute
)

// look begins a check if it is time for one, and says what is known. bakes: all members have done their turn.
func (c *checks) look(ctx context.Context, o Options, d store.Deploy, bakes bool, seen *plan.Seen) {
	if d.Check == "" || d.Back {
		return
	}
	if id := d.TurnID(); c.stage != id {
		c.stage, c.passed, c.failed, c.last = id, false, "", time.Time{}
	}
	final := seen.Baked >= bakeOf(d)
	if o.Who.Checks && bakes && !c.running && !c.passed && (final || time.Since(c.last) >= checkEvery) {
		c.begin(ctx, d, final)
	}
	seen.Unchecked, seen.CheckFailed = !c.passed, c.failed
}

func bakeOf(d store.Deploy) time.Duration {
	if d.Proving {
		return d.Bake
	}
	return d.WaveBake
}

func (c *checks) begin(ctx context.Context, d store.Deploy, final bool) {
	c.running, c.last = true, time.Now()
	stage := c.stage
	c.done.Go(func() {
		v := verdict{stage: stage, final: final, err: runCheck(ctx, d)}
		select {
		case c.ended <- v:
		case <-ctx.Done():
		}
	})
}

// take takes over the end of a check.
func (c *checks) take(v verdict) {
	c.running = false
	if v.stage != c.stage {
		return
	}
	c.passed = c.passed || v.final && v.err == nil
	if v.err != nil {
		c.failed = v.err.Error()
	}
}

func (c *checks) wait() { c.done.Wait() }

func runCheck(ctx context.Context, d store.Deploy) error {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", d.Check)
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), "RELEVO_FLEET_APP="+d.App, "RELEVO_FLEET_VERSION="+d.Release.Version,
		"RELEVO_FLEET_MACHINES="+strings.Join(d.Members, " "))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return fmt.Errorf("the check %q failed: %w: %s", d.Check, err, lines[len(lines)-1])
}
