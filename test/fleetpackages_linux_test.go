package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relevo/internal/systemdbox"
	"relevo/internal/testport"
	"relevo/internal/testreq"
)

// TestFleetPackage: the package of relevo-fleet brings an agent and a conductor as units. They do a
// deploy, continue as the new program when a newer package is installed, and end when it is removed.
// The app keeps serving.
func TestFleetPackage(t *testing.T) {
	takesLong(t)
	t.Parallel()
	testreq.Root(t)
	for format, program := range map[string]string{"deb": "dpkg", "rpm": "rpm"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			testreq.Program(t, program)
			fleetOfOne(&debian{systemdbox.Start(t, nil), t, format})
		})
	}
}

func fleetOfOne(d *debian) {
	d.install("1.0.0")
	d.installPackage("relevo-fleet", "1.0.0")
	d.fleetFiles()
	address := d.startFleet(testreq.Program(d.t, "etcd"))
	d.deploys("2", address)
	before := map[string]string{}
	for _, unit := range []string{agentUnit, conductUnit} {
		before[unit] = d.Show(unit, "MainPID")
	}

	d.installPackage("relevo-fleet", "1.1.0")
	for unit, pid := range before {
		if now := d.Show(unit, "MainPID"); now == pid || now == "0" {
			d.t.Errorf("%s: a newer package changed the process from %s to %s", unit, pid, now)
		}
	}
	d.deploys("3", address)

	d.remove("relevo-fleet")
	for unit := range before {
		if left := d.Processes(unit); len(left) > 0 {
			d.t.Errorf("%s: processes %v are left", unit, left)
		}
	}
	if text, err := fetch(address, "/"); err != nil || !strings.Contains(text, "3") {
		d.t.Errorf("after the package was removed: %q, %v", text, err)
	}
	d.must("test", "-e", "/etc/relevo-fleet/conduct.env")
}

const agentUnit, conductUnit = "relevo-fleet-agent.service", "relevo-fleet-conduct@web.service"

// fleetFiles: the pages, the completions and the units are where programs look for them.
func (d *debian) fleetFiles() {
	d.t.Helper()
	d.must("sh", "-c", "gzip -dc /usr/share/man/man1/relevo-fleet-deploy.1.gz | grep -q SYNOPSIS")
	said := d.must("bash", "-c", `. /usr/share/bash-completion/completions/relevo-fleet && complete -p relevo-fleet`)
	if !strings.Contains(said, "__start_relevo-fleet relevo-fleet") {
		d.t.Errorf("bash completes by %s", said)
	}
	for _, unit := range []string{agentUnit, "relevo-fleet-conduct@.service"} {
		d.must("systemd-analyze", "verify", "--man=no", "/usr/lib/systemd/system/"+unit)
	}
}

// startFleet starts an etcd, an app, its agent and its conductor, as docs/fleet.md says.
func (d *debian) startFleet(etcd string) (address string) {
	d.t.Helper()
	address = testport.Address(d.t)
	client, peer := "http://"+testport.Address(d.t), "http://"+testport.Address(d.t)
	d.must("systemd-run", "--unit=etcd-of-test", etcd, "--data-dir", filepath.Join(d.Dir, "etcd"),
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	app := filepath.Join(d.Dir, "app")
	for path, version := range map[string]string{app: "1", app + "-2": "2", app + "-3": "3"} {
		if err := writeRelease(path, version, "serve"); err != nil {
			d.t.Fatal(err)
		}
	}
	for path, text := range map[string]string{
		"/etc/relevo/web.toml": fmt.Sprintf("command = [%q]\nlisten = [%q]\nworkers = 2\n", app, address),
		"/etc/relevo-fleet.toml": fmt.Sprintf("etcd = [%q]\nmachine = \"m1\"\n[app.web]\npath = %q\nfetch = %q\n", client,
			app, "cp "+app+"-{version} {file}"),
		"/etc/relevo-fleet/conduct.env": "RELEVO_FLEET_ETCD=" + client + "\n",
	} {
		if err := os.WriteFile(d.Path(path), []byte(text), 0o644); err != nil {
			d.t.Fatal(err)
		}
	}
	d.Systemctl("start", "relevo@web.service")
	d.Systemctl("start", agentUnit)
	d.Systemctl("start", conductUnit)
	return address
}

// deploys deploys a release to the machine.
func (d *debian) deploys(version, address string) {
	d.t.Helper()
	const fleet = `set -a; . /etc/relevo-fleet/conduct.env; exec relevo-fleet "$@"`
	d.Await("the machine to be listed with the app", func() bool {
		out, err := d.Command("sh", "-c", fleet, "sh", "status", "web", "--json").Output()
		return err == nil && strings.Contains(string(out), `"present": true`) &&
			strings.Contains(string(out), `"running": true`)
	})
	d.must("timeout", "60", "sh", "-c", fleet, "sh", "deploy", "web", "--version", version, "--bake", "0s")
	if text, err := fetch(address, "/"); err != nil || !strings.Contains(text, version) {
		d.t.Errorf("after a deploy of %s: %q, %v", version, text, err)
	}
}
