package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relevo/internal/fleet/relevo-fleet/etcdtest"
	"relevo/internal/fleet/relevo-fleet/store"
	"relevo/internal/systemdbox"
	"relevo/internal/testport"
	"relevo/internal/testreq"
	"relevo/internal/workertest"
)

// boxed is a machine in namespaces of its own, with a systemd that runs a master and an agent.
type boxed struct {
	*systemdbox.Box
	f       *fleet
	name    string
	address string
	loads   []*workertest.Running
}

func bootMachine(f *fleet, i int) *boxed {
	f.t.Helper()
	b := &boxed{Box: systemdbox.Start(f.t, nil), f: f, name: fmt.Sprintf("m%d", i+1), address: testport.Address(f.t)}
	for _, name := range []string{"relevo", "relevo-fleet"} {
		text, err := os.ReadFile(filepath.Join(programs, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(b.Dir, name), text, 0o755)
		}
		if err != nil {
			f.t.Fatal(err)
		}
	}
	if err := os.Rename(f.release(b.Dir, "1", "ok"), filepath.Join(b.Dir, "shop")); err != nil {
		f.t.Fatal(err)
	}
	b.write("relevo.toml", fmt.Sprintf("name = \"shop\"\ncommand = [\"./shop\"]\nlisten = [%q]\nworkers = 2\n"+
		"canary = \"200ms\"\nwatch_binary = false\n", b.address))
	b.write("fleet.toml", fmt.Sprintf("etcd = [\"%s\"]\n", strings.Join(f.etcd.Endpoints, `", "`))+
		fmt.Sprintf(agentConfig, b.name, string(rune('a'+i%2)), "/var/lib/relevo-fleet", b.Dir+"/shop", b.Dir+"/releases"))
	b.inside("relevo", "install", "-c", b.Dir+"/relevo.toml")
	b.AddUnit("relevo-fleet-agent.service", b.inside("relevo-fleet", "unit", "--", "agent", "-c", b.Dir+"/fleet.toml",
		"--lease", "5s"))
	b.Systemctl("start", "shop.service", "relevo-fleet-agent.service")
	for _, keep := range []bool{false, true} {
		b.loads = append(b.loads, workertest.Load{Addr: b.address, Keep: keep, Clients: 2,
			Pause: 20 * time.Millisecond}.Start())
	}
	return b
}

func (b *boxed) write(name, text string) {
	b.f.t.Helper()
	if err := os.WriteFile(filepath.Join(b.Dir, name), []byte(text), 0o644); err != nil {
		b.f.t.Fatal(err)
	}
}

// inside runs a program in the box.
func (b *boxed) inside(program string, args ...string) string {
	b.f.t.Helper()
	out, err := b.Command(filepath.Join(b.Dir, program), args...).CombinedOutput()
	if err != nil {
		b.f.t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// serves returns the version that clients get.
func (b *boxed) serves() string {
	fresh := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // a kept one may be to an old worker
	response, err := fresh.Get("http://" + b.address + "/")
	if err != nil {
		b.f.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		b.f.t.Fatalf("%s answers %q, %v", b.name, text, err)
	}
	return fields[1]
}

// boxes is the fleet of TestSystemd.
type boxes struct {
	*fleet
	all []*boxed
}

func (f boxes) publish(version, behaviour string) {
	for _, b := range f.all {
		f.release(filepath.Join(b.Dir, "releases"), version, behaviour)
	}
}

func (f boxes) serve(what string, want ...string) {
	f.t.Helper()
	var got []string
	for _, b := range f.all {
		got = append(got, b.serves())
	}
	if !slices.Equal(got, want) {
		events, _ := f.command("events", "shop")
		status, _ := f.command("status", "shop")
		f.t.Fatalf("%s: the machines serve %v, want %v\n%s%s", what, got, want, events, status)
	}
}

// TestSystemd is a fleet of five machines with a systemd each, under load, and an etcd of three
// members: a good release, a bad one, an agent that is killed and restarted by systemd, a leader of
// etcd that is killed in mid-wave, a machine that is away and comes back.
func TestSystemd(t *testing.T) {
	testreq.TakesLong(t)
	f := boxes{fleet: &fleet{t: t, etcd: etcdtest.Start(t, 3), dir: t.TempDir()}}
	for i := range 5 {
		f.all = append(f.all, bootMachine(f.fleet, i))
	}
	f.await("all machines", func() bool {
		s := f.status()
		return len(s) == 5 && !slices.ContainsFunc(s, func(m shown) bool { return !m.Present || m.Workers != 2 })
	})
	f.publish("2", "ok")
	f.exits(0, "deploy", "shop", "--version", "2", "--bake", "1s", "--wave", "2", "--by", "zone")
	f.serve("a good release", "2", "2", "2", "2", "2")

	f.publish("3", "crash")
	f.exits(10, "deploy", "shop", "--version", "3", "--bake", "1s")
	f.serve("a bad release", "2", "2", "2", "2", "2")
	touched := 0
	for _, m := range f.status() {
		if m.Turn == "2.1" {
			touched++
		}
	}
	if touched != 1 {
		t.Errorf("a bad release has touched %d machines", touched)
	}

	f.publish("4", "slow-start")
	deploy := f.begin("deploy", "shop", "--version", "4", "--bake", "0s", "--wave", "2")
	f.phase(0, "3.1", store.Rolling)
	f.all[0].Systemctl("kill", "--kill-whom=main", "-s", "KILL", "relevo-fleet-agent.service")
	f.await("the first wave", func() bool { return f.status()[1].Phase == store.Rolling })
	f.etcd.Kill(f.etcd.Leader())
	out, code := deploy.wait()
	if code != 0 {
		t.Errorf("deploy with a killed agent and a killed leader: exit %d\n%s", code, out)
	}
	f.serve("after that", "4", "4", "4", "4", "4")

	f.all[4].Systemctl("stop", "relevo-fleet-agent.service")
	f.await("m5 to be away", func() bool { return !f.status()[4].Present })
	f.exits(0, "rollback", "shop")
	f.serve("a rollback while m5 is away", "2", "2", "2", "2", "4")
	f.all[4].Systemctl("start", "relevo-fleet-agent.service")
	f.await("m5 to be back", func() bool { return f.status()[4].Present })
	conductor := f.begin("conduct", "--app", "shop")
	defer func() {
		conductor.cmd.Process.Kill()
		conductor.wait()
	}()
	f.await("m5 to be rolled back", func() bool { return f.all[4].serves() == "2" })
	for _, b := range f.all {
		b.lost(t)
	}
}

func (b *boxed) lost(t *testing.T) {
	t.Helper()
	var sum workertest.Result
	for _, load := range b.loads {
		sum.Add(load.Stop())
	}
	if sum.LostSum() > 0 || sum.OK == 0 {
		t.Errorf("%s: %s", b.name, sum)
	}
	t.Logf("%s: %s", b.name, sum)
}
