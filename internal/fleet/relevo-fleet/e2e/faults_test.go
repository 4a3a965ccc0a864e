package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/internal/fleet/relevo-fleet/store"
	"relevo/internal/testreq"
)

// phase waits until a machine reports a phase of a turn.
func (f *fleet) phase(machine int, turn string, phases ...store.Phase) {
	f.t.Helper()
	f.await(fmt.Sprintf("m%d to be at %v of turn %s", machine+1, phases, turn), func() bool {
		r := f.status()[machine]
		return r.Turn == turn && slices.Contains(phases, r.Phase)
	})
}

// serve fails unless all machines serve a version, from a file with that version.
func (f *fleet) serve(version string) {
	f.t.Helper()
	for i, got := range f.versions() {
		if got != version {
			f.t.Fatalf("m%d serves version %s, not %s", i+1, got, version)
		}
		if hash(f.t, f.machines[i].path()) != hash(f.t, filepath.Join(f.dir, "releases", "shop-"+version)) {
			f.t.Errorf("the file of m%d is not version %s", i+1, version)
		}
	}
}

// gate makes the fetch of a version wait on all machines until the function that it returns is
// called.
func (f *fleet) gate(version string) (open func()) {
	path := filepath.Join(f.dir, "releases", "gate-"+version)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		f.t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			f.t.Fatal(err)
		}
	}
}

// TestAgentKilled: an agent that is killed at any step of its turn and started again finishes that
// turn.
func TestAgentKilled(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1, 2)
	canary := f.machines[0]
	f.publish("2", "slow-start")
	open := f.gate("2")
	deploy := f.begin("deploy", "shop", "--version", "2", "--bake", "0s")
	f.phase(0, "1.1", store.Fetching)
	canary.kill()
	open()
	canary.startAgent()
	f.phase(0, "1.1", store.Rolling)
	canary.kill()
	canary.startAgent()
	if out, code := deploy.wait(); code != 0 {
		t.Fatalf("deploy: exit %d\n%s", code, out)
	}
	f.serve("2")

	// The roll of a bad release continues without an agent. The next agent finds that it failed.
	f.publish("3", "crash-500ms")
	deploy = f.begin("deploy", "shop", "--version", "3", "--bake", "0s")
	f.phase(0, "2.1", store.Rolling)
	canary.kill()
	canary.startAgent()
	if out, code := deploy.wait(); code != 10 {
		t.Errorf("deploy of a bad release: exit %d\n%s", code, out)
	}
	f.serve("2")
	f.lost()
}

// TestAgentKilledAnyTime kills agents at moments spread over their whole turns.
func TestAgentKilledAnyTime(t *testing.T) {
	testreq.TakesLong(t)
	t.Parallel()
	f := newFleet(t, 1, 2)
	f.publish("2", "slow-start")
	for i := range 24 {
		version := fmt.Sprint(2 - i%2)
		deploy := f.begin("deploy", "shop", "--version", version, "--bake", "0s", "--canary", "0", "--wave", "2")
		time.Sleep(time.Duration(i) * 150 * time.Millisecond) // the test tries different moments
		for _, m := range f.machines {
			m.kill()
			m.startAgent()
		}
		if out, code := deploy.wait(); code != 0 {
			t.Fatalf("deploy %d: exit %d\n%s", i+1, code, out)
		}
		f.serve(version)
	}
	f.lost()
}

// TestLeaderKilled: in mid-wave etcd's leader is killed, then etcd as a whole. The deploy continues
// when there is a leader again.
func TestLeaderKilled(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, 5)
	f.publish("2", "slow-start")
	deploy := f.begin("deploy", "shop", "--version", "2", "--bake", "0s", "--wave", "2")
	f.await("the first wave", func() bool { return f.status()[1].Phase == store.Rolling })
	f.etcd.Kill(f.etcd.Leader())
	if out, code := deploy.wait(); code != 0 {
		t.Errorf("deploy while the leader is killed: exit %d\n%s", code, out)
	}
	f.serve("2")
	f.lost()
}

// TestEtcdAway: in mid-wave etcd is away for longer than the leases last.
func TestEtcdAway(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1, 3)
	f.publish("2", "slow-start")
	deploy := f.begin("deploy", "shop", "--version", "2", "--bake", "0s", "--wave", "2")
	f.await("the first wave", func() bool { return f.status()[1].Phase == store.Rolling })
	f.etcd.Kill(0)
	f.await("the machine to continue alone", func() bool { return f.machines[1].serves() == "2" })
	f.await("the agent to notice", func() bool {
		text, _ := os.ReadFile(filepath.Join(f.machines[1].dir, "relevo-fleet.log"))
		return strings.Contains(string(text), "the connection to etcd is lost. The apps keep serving")
	})
	f.etcd.Restart(0)
	if out, code := deploy.wait(); code != 0 {
		t.Errorf("deploy while etcd is away: exit %d\n%s", code, out)
	}
	f.serve("2")
	f.lost()
}

// TestFrozenAgent: an agent that is frozen while it fetches, for longer than its lease and its turn,
// changes nothing when it wakes.
func TestFrozenAgent(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1, 2)
	f.publish("2", "ok")
	open := f.gate("2")
	deploy := f.begin("deploy", "shop", "--version", "2", "--turn-timeout", "8s")
	f.phase(0, "1.1", store.Fetching)
	f.machines[0].agent.Process.Signal(syscall.SIGSTOP)
	open()
	if out, code := deploy.wait(); code != 10 || !strings.Contains(out, "m1: its turn has not ended within 8s") {
		t.Errorf("deploy: exit %d\n%s", code, out)
	}
	rolls := f.rolls()
	f.machines[0].agent.Process.Signal(syscall.SIGCONT)
	f.await("m1 to be back", func() bool {
		s := f.status()[0]
		return s.Present && s.Phase == store.Idle
	})
	f.serve("1")
	if tried := f.rolls() - rolls; tried != 0 {
		t.Errorf("the agent has rolled %d times after it woke", tried)
	}
	f.lost()
}

// TestFrozenConductor: a deploy command is frozen, and another process continues its deploy. When
// the command wakes, it only reports the end.
func TestFrozenConductor(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1, 3)
	f.publish("2", "ok")
	deploy := f.begin("deploy", "shop", "--version", "2", "--bake", "3s")
	f.phase(0, "1.1", store.Done)
	deploy.cmd.Process.Signal(syscall.SIGSTOP)
	f.exits(0, "follow", "shop")
	f.serve("2")
	rolls := f.rolls()
	deploy.cmd.Process.Signal(syscall.SIGCONT)
	if out, code := deploy.wait(); code != 0 {
		t.Errorf("the deploy command after it woke: exit %d\n%s", code, out)
	}
	if more := f.rolls() - rolls; more != 0 {
		t.Errorf("there were %d rolls after the end", more)
	}
	f.lost()
}
