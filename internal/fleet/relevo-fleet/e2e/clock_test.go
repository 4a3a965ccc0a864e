package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"relevo/internal/fleet/plan"
	"relevo/internal/fleet/relevo-fleet/store"
	"relevo/internal/testreq"
)

// wrongClock is a clock of a process that is some seconds ahead of the machine's; nil: the right
// clock.
type wrongClock struct{ ahead int }

// An hour ahead, and an hour behind.
var fast, slow = &wrongClock{3600}, &wrongClock{-3600}

func (c *wrongClock) program() string {
	if c == nil {
		return "relevo-fleet"
	}
	return "relevo-fleet-clock"
}

func (c *wrongClock) variable() string {
	if c == nil {
		return clockVariable + "=0"
	}
	return fmt.Sprintf("%s=%d", clockVariable, c.ahead)
}

const clockVariable = "RELEVO_TEST_CLOCK_AHEAD"

// The kernel has one wall clock for all processes. So relevo-fleet is built with a time.Now that
// adds the value of a variable. Durations are still measured by the kernel's clock, as on a machine
// whose clock is set wrong.
const (
	nowBefore = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	nowAfter  = nowBefore + "\tsec += ahead\n"
	aheadFile = `package time

import "syscall"

var ahead = func() int64 {
	text, _ := syscall.Getenv("` + clockVariable + `")
	n, _ := atoi(text)
	return int64(n)
}()
`
)

// buildWithClock builds relevo-fleet-clock.
func buildWithClock(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil || strings.Count(string(text), nowBefore) != 1 {
		t.Fatalf("cannot change time.Now: its source is not what this test expects: %v", err)
	}
	replace := map[string]string{}
	for name, text := range map[string]string{"time.go": strings.Replace(string(text), nowBefore, nowAfter, 1),
		"ahead.go": aheadFile} {
		replace[filepath.Join(source, name)] = filepath.Join(dir, name)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-C", "..", "-buildvcs=false", "-overlay", filepath.Join(dir, "overlay.json"),
		"-ldflags=-s -w", "-o", filepath.Join(programs, "relevo-fleet-clock"), ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot build relevo-fleet with another clock: %v\n%s", err, out)
	}
}

// TestWrongClocks: a fleet with one agent an hour ahead, one an hour behind, and each conductor an
// hour off, makes the same decisions as a fleet with right clocks, and waits as long.
func TestWrongClocks(t *testing.T) {
	testreq.TakesLong(t)
	t.Parallel()
	buildWithClock(t)
	var right, wrong []string
	t.Run("fleets", func(t *testing.T) {
		t.Run("right", func(t *testing.T) {
			t.Parallel()
			right = lifeByClocks(t, []*wrongClock{nil, nil, nil}, nil, nil)
		})
		t.Run("wrong", func(t *testing.T) {
			t.Parallel()
			wrong = lifeByClocks(t, []*wrongClock{fast, slow, nil}, fast, slow)
		})
	})
	if !slices.Equal(right, wrong) || len(right) == 0 {
		t.Errorf("with right clocks:\n%s\nwith wrong ones:\n%s", strings.Join(right, "\n"), strings.Join(wrong, "\n"))
	}
}

// The waits that lifeByClocks configures.
const bake, waveBake = 3 * time.Second, 2 * time.Second

// lifeByClocks lets a fleet deploy a bad release and a good one, and roll back the good one. It
// returns the decisions.
func lifeByClocks(t *testing.T, agents []*wrongClock, first, second *wrongClock) (decided []string) {
	f := newFleet(t, 1, len(agents))
	for i, m := range f.machines {
		m.end(m.agent)
		m.clock = agents[i]
		m.startAgent()
	}
	f.await("the agents to report by their clocks", func() bool {
		return !slices.ContainsFunc(f.status(), func(m shown) bool {
			i := slices.IndexFunc(f.machines, func(other *machine) bool { return other.name == m.Name })
			off := time.Until(m.At)
			if agents[i] != nil {
				off -= time.Duration(agents[i].ahead) * time.Second
			}
			return !m.Present || off.Abs() > 10*time.Minute
		})
	})
	entries := f.entries()
	f.publish("2", "ok")
	f.publish("3", "crash")
	for _, c := range []struct {
		clock *wrongClock
		exit  int
		args  []string
	}{
		{first, 10, []string{"deploy", "shop", "--version", "3", "--wave", "1", "--bake", bake.String()}},
		{second, 0, []string{"deploy", "shop", "--version", "2", "--wave", "1", "--bake", bake.String(), "--wave-bake",
			waveBake.String()}},
		{first, 0, []string{"rollback", "shop"}},
	} {
		r := f.beginAt(c.clock, c.args...)
		late := time.AfterFunc(2*time.Minute, func() { r.cmd.Process.Kill() })
		out, code := r.wait()
		if late.Stop(); code != c.exit {
			t.Fatalf("%v: exit %d\n%s", c.args, code, out)
		}
	}
	f.lost()
	return waited(t, <-entries)
}

// heard is an entry of the record, and when it came by the clock of the test.
type heard struct {
	store.Entry
	at time.Time
}

// entries collects the record until a deploy is rolled back.
func (f *fleet) entries() (all chan []heard) {
	events := f.etcd.Client.Watch(f.t.Context(), "/relevo-fleet/record/shop/audit/", clientv3.WithPrefix())
	all = make(chan []heard, 1) // so that a test that has failed leaves no goroutine
	go func() {
		var collected []heard
		for response := range events {
			for _, e := range response.Events {
				h := heard{at: time.Now()}
				if err := json.Unmarshal(e.Kv.Value, &h.Entry); err != nil {
					f.t.Error(err)
				}
				if collected = append(collected, h); h.Text == string(plan.RolledBack) {
					all <- collected
					return
				}
			}
		}
	}()
	return all
}

// waited checks how long the stages of the good deploy have baked, and returns all decisions.
func waited(t *testing.T, all []heard) (decided []string) {
	t.Helper()
	var stages []time.Time // when each began, and when the last one ended
	for _, h := range all {
		decided = append(decided, fmt.Sprintf("deploy %d: %s: %s", h.Deploy, h.What, h.Text))
		if h.Deploy == 2 && h.What != "deploy" && len(stages) < 4 {
			stages = append(stages, h.at)
		}
	}
	if len(stages) != 4 {
		t.Fatalf("the record is %q", decided)
	}
	for i, least := range []time.Duration{bake, waveBake, waveBake} {
		took := stages[i+1].Sub(stages[i])
		t.Logf("stage %d took %s, of that it had to bake %s", i+1, took.Round(time.Millisecond), least)
		if took < least || took > time.Minute {
			t.Errorf("stage %d took %s; it had to bake %s", i+1, took, least)
		}
	}
	return decided
}
