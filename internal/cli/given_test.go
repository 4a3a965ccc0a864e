package cli

import (
	"context"
	"io"
	"strings"
	"testing"

	"relevo/internal/config"
	"relevo/internal/control"
)

// TestFlagsInVain: a flag that can have no effect is refused before the command looks for a master.
func TestFlagsInVain(t *testing.T) {
	for line, want := range map[string]string{
		"reload --share 5% --canary 0s":    "cannot give a canary 5% of the new connections: its probation is 0s",
		"reload --dry-run --no-wait":       "cannot use --no-wait with --dry-run",
		"reload --dry-run --canary 1m":     "cannot use --canary or --share with --dry-run",
		"rollback --to=":                   "cannot use an empty text as the hash of a release",
		"signal --id= KILL":                "cannot use an empty text as the id of a worker",
		"signal --slot=-2 KILL":            `cannot use "-2": write a whole number from 0 on`,
		"send --slot 1 --id 4 {}":          "cannot use --slot and --id at the same time",
		"signal --slot 1 --id 4 KILL":      "cannot use --slot and --id at the same time",
		"events --json=false":              "they are JSON in any case",
		"prove --url=":                     "cannot use an empty text as the URL",
		"prove --clients 0":                `cannot use "0": write a whole number from 1 on`,
		"prove --timeout 0s":               "cannot use 0s: write a time above 0",
		"prove --pause 0s":                 "cannot use 0s: write a time above 0",
		"prove --kill --kill-every 0s":     "cannot use 0s: write a time above 0",
		"prove --kill-every 1s":            "cannot use --kill-every: no worker is killed; add --kill",
		"prove --rolls 0 --duration 0s":    "cannot load for 0s: no roll is waited for",
		"prove --kill --duration 0s":       "cannot load for 0s: no roll is waited for",
		"serve --hidden":                   "cannot serve hidden files: no directory is served",
		"dev --watch-binary -- ./app":      "cannot use --watch-binary in development",
		"dev --health-interval 1s -- /app": "cannot use health.interval without a check",
	} {
		err := refusal(t, line)
		if err == nil || control.ExitCode(err) != control.ExitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: exit code %d, %v; want %s", line, control.ExitCode(err), err, want)
		}
	}
	for _, line := range []string{
		"reload --share 5% --canary 1m", "reload --share 5%", "reload --canary 0s", "signal --slot 0 KILL",
		"signal --id 4 KILL", "rollback --to ab",
		"prove --kill --kill-every 1s", "prove --rolls 1 --duration 0s", "prove --rolls 0 --duration 0s --min-requests 9",
	} {
		if err := refusal(t, line); control.ExitCode(err) != control.ExitNotRunning {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// refusal runs a command where no master runs.
func refusal(t *testing.T, line string) error {
	t.Helper()
	dir := t.TempDir()
	c := &cli{getenv: func(name string) string {
		return map[string]string{"PWD": dir}[name]
	}, places: config.Places{Runtime: dir, State: dir}}
	root := c.root()
	root.SetArgs(strings.Fields(line))
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	return root.ExecuteContext(context.Background())
}
