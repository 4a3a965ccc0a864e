package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/internal/control"
	"relevo/internal/fleet/relevo-fleet/etcdtest"
	"relevo/internal/fleet/relevo-fleet/store"
	"relevo/internal/testport"
	"relevo/internal/workertest"
)

// fleet is an etcd and its machines.
type fleet struct {
	t        *testing.T
	etcd     *etcdtest.Cluster
	dir      string
	machines []*machine
	lease    string
}

// machine is a directory with everything that belongs to one machine: the app, its master and an
// agent.
type machine struct {
	f       *fleet
	name    string
	zone    string
	dir     string
	address string
	master  *exec.Cmd
	agent   *exec.Cmd
	clock   *wrongClock // of the agent; nil: the right clock
	loads   []*workertest.Running
}

// newFleet starts an etcd of some members, and machines that serve version 1 under load.
func newFleet(t *testing.T, members, machines int) *fleet {
	t.Helper()
	f := &fleet{t: t, etcd: etcdtest.Start(t, members), dir: t.TempDir(), lease: "5s"}
	f.release(filepath.Join(f.dir, "releases"), "1", "ok")
	for i := range machines {
		m := &machine{f: f, name: fmt.Sprintf("m%d", i+1), zone: string(rune('a' + i%2))}
		m.dir = filepath.Join(f.dir, m.name)
		m.address = testport.Address(t)
		f.machines = append(f.machines, m)
		m.start()
	}
	f.await("all machines to serve version 1", func() bool {
		s := f.status()
		return len(s) == machines && !slices.ContainsFunc(s, func(m shown) bool { return !m.Present || m.Workers != 2 })
	})
	for _, m := range f.machines {
		for _, keep := range []bool{false, true} {
			m.loads = append(m.loads, workertest.Load{Addr: m.address, Keep: keep, Clients: 2,
				Pause: 5 * time.Millisecond}.Start())
		}
	}
	return f
}

// release writes a release of the app to a directory.
func (f *fleet) release(dir, version, behaviour string) string {
	f.t.Helper()
	program, err := os.ReadFile(filepath.Join(programs, "app"))
	if err != nil {
		f.t.Fatal(err)
	}
	path := filepath.Join(dir, "shop-"+version)
	err = errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, fmt.Appendf(program, "\n#behaviour %s %s\n", version,
		behaviour), 0o755))
	if err != nil {
		f.t.Fatal(err)
	}
	return path
}

// publish makes a release that machines can fetch.
func (f *fleet) publish(version, behaviour string) string {
	return f.release(filepath.Join(f.dir, "releases"), version, behaviour)
}

const agentConfig = `machine = %q
labels = { zone = %q }
state = %q
[app.shop]
path = %q
fetch = "while [ -e %[5]s/gate-{version} ]; do sleep 0.05; done; cp %[5]s/shop-{version} {file}"
`

func (m *machine) start() {
	t := m.f.t
	t.Helper()
	os.MkdirAll(m.dir, 0o755)
	first := m.f.release(m.dir, "1", "ok")
	if err := os.Rename(first, m.path()); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(agentConfig, m.name, m.zone, filepath.Join(m.dir, "fleet"), m.path(),
		filepath.Join(m.f.dir, "releases"))
	if err := os.WriteFile(filepath.Join(m.dir, "fleet.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	m.master = m.run("relevo", "run", "--name", "shop", "-l", m.address, "-n", "2", "--canary", "200ms",
		"--watch-binary=false", "--", m.path())
	t.Cleanup(func() { m.end(m.master) })
	m.startAgent()
	t.Cleanup(func() { m.end(m.agent) })
}

func (m *machine) path() string { return filepath.Join(m.dir, "shop") }

func (m *machine) startAgent() {
	m.agent = m.run(m.clock.program(), "agent", "-c", filepath.Join(m.dir, "fleet.toml"), "--lease", m.f.lease,
		"--etcd", strings.Join(m.f.etcd.Endpoints, ","))
}

// run starts a program with the machine's own directories.
func (m *machine) run(name string, args ...string) *exec.Cmd {
	t := m.f.t
	t.Helper()
	out, err := os.OpenFile(filepath.Join(m.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(filepath.Join(programs, name), args...)
	cmd.Env = append(os.Environ(), "RELEVO_RUNTIME_DIR="+filepath.Join(m.dir, "run"),
		"RELEVO_STATE_DIR="+filepath.Join(m.dir, "state"), m.clock.variable())
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// end asks a program to end, and waits until it has.
func (m *machine) end(cmd *exec.Cmd) {
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Process.Signal(syscall.SIGCONT) // a test that failed may have left it frozen
	cmd.Wait()
	if m.f.t.Failed() && cmd == m.agent {
		text, _ := os.ReadFile(filepath.Join(m.dir, "relevo-fleet.log"))
		m.f.t.Logf("agent of %s:\n%s", m.name, text)
	}
}

// kill ends the agent by SIGKILL.
func (m *machine) kill() {
	m.agent.Process.Kill()
	m.agent.Wait()
}

// serves returns the version that the machine's clients get.
func (m *machine) serves() string {
	client, err := control.Connect(m.f.t.Context(), filepath.Join(m.dir, "run", "shop.sock"))
	if err != nil {
		m.f.t.Fatal(err)
	}
	status, err := client.Status(m.f.t.Context())
	if err != nil {
		m.f.t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(m.f.dir, "releases")} {
		names, _ := filepath.Glob(filepath.Join(dir, "shop-*"))
		for _, name := range names {
			if hash(m.f.t, name) == status.Release.SHA256 {
				return strings.TrimPrefix(filepath.Base(name), "shop-")
			}
		}
	}
	return "unknown"
}

// rolls returns how many rolls the master has done, successful or not.
func (m *machine) rolls() (sum int) {
	client, err := control.Connect(m.f.t.Context(), filepath.Join(m.dir, "run", "shop.sock"))
	if err != nil {
		m.f.t.Fatal(err)
	}
	status, err := client.Status(m.f.t.Context())
	if err != nil {
		m.f.t.Fatal(err)
	}
	for _, n := range status.Counts.Rolls {
		sum += n
	}
	return sum
}

// versions returns the versions that all machines serve.
func (f *fleet) versions() (all []string) {
	for _, m := range f.machines {
		all = append(all, m.serves())
	}
	return all
}

func (f *fleet) rolls() (sum int) {
	for _, m := range f.machines {
		sum += m.rolls()
	}
	return sum
}

// shown is a machine in the output of status --json.
type shown struct {
	Name    string `json:"name"`
	Present bool   `json:"present"`
	store.Report
}

func (f *fleet) status() []shown {
	f.t.Helper()
	out, code := f.command("status", "--json")
	var apps []struct {
		Machines []shown `json:"machines"`
	}
	if err := json.Unmarshal([]byte(out), &apps); err != nil || code != 0 {
		f.t.Fatalf("relevo-fleet status: exit %d, %v\n%s", code, err, out)
	}
	if len(apps) == 0 {
		return nil
	}
	return apps[0].Machines
}

// command runs relevo-fleet, and returns what it prints and its exit code.
func (f *fleet) command(args ...string) (string, int) {
	f.t.Helper()
	r := f.begin(args...)
	return r.wait()
}

// running is a command that has begun.
type running struct {
	cmd *exec.Cmd
	out *bytes.Buffer
}

func (f *fleet) begin(args ...string) running {
	f.t.Helper()
	return f.beginAt(nil, args...)
}

// beginAt begins a command whose clock is wrong.
func (f *fleet) beginAt(clock *wrongClock, args ...string) running {
	f.t.Helper()
	r := running{cmd: exec.Command(filepath.Join(programs, clock.program()), args...), out: &bytes.Buffer{}}
	r.cmd.Env = append(os.Environ(), "RELEVO_FLEET_ETCD="+strings.Join(f.etcd.Endpoints, ","), clock.variable())
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.out
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (r running) wait() (string, int) {
	r.cmd.Wait()
	return r.out.String(), r.cmd.ProcessState.ExitCode()
}

// exits runs a command that must end with this code, and returns what it prints.
func (f *fleet) exits(code int, args ...string) string {
	f.t.Helper()
	out, got := f.command(args...)
	if got != code {
		f.t.Fatalf("relevo-fleet %s: exit %d, want %d\n%s", strings.Join(args, " "), got, code, out)
	}
	return out
}

// await waits for a condition.
func (f *fleet) await(what string, is func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); {
		if time.Now().After(deadline) {
			f.t.Fatalf("waited too long for %s", what)
		}
		time.Sleep(20 * time.Millisecond) // looks again
	}
}

// lost ends all loads, and fails if a request was lost.
func (f *fleet) lost() {
	f.t.Helper()
	for _, m := range f.machines {
		var sum workertest.Result
		for _, load := range m.loads {
			sum.Add(load.Stop())
		}
		if sum.LostSum() > 0 || sum.OK == 0 {
			f.t.Errorf("%s: %s", m.name, sum)
		}
		f.t.Logf("%s: %s", m.name, sum)
	}
}
