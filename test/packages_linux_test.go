package test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"relevo/internal/control"
	"relevo/internal/systemdbox"
	"relevo/internal/testport"
	"relevo/internal/testreq"
)

// debian is a machine on which a package of relevo is installed.
type debian struct {
	*systemdbox.Box
	t      *testing.T
	format string // of the packages: deb or rpm
}

// must runs a command in the box that must succeed.
func (d *debian) must(name string, args ...string) (said string) {
	d.t.Helper()
	out, err := d.Command(name, args...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// install installs relevo's package of a version.
func (d *debian) install(version string) (said string) {
	d.t.Helper()
	return d.installPackage("relevo", version)
}

// installPackage installs the package of a program.
func (d *debian) installPackage(program, version string) (said string) {
	d.t.Helper()
	name := fmt.Sprintf("%s_%s-1_%s.deb", program, version, runtime.GOARCH)
	if d.format == "rpm" {
		processor := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
		name = fmt.Sprintf("%s-%s-1.%s.rpm", program, version, processor)
	}
	if err := copyFile(filepath.Join(releaseFiles(d.t, version), name), filepath.Join(d.Dir, name)); err != nil {
		d.t.Fatal(err)
	}
	if d.format == "rpm" { // rpm does not know the packages of Debian
		return d.must("rpm", "--nodeps", "-U", filepath.Join(d.Dir, name))
	}
	return d.must("dpkg", "-i", filepath.Join(d.Dir, name))
}

// remove removes the package of a program.
func (d *debian) remove(program string) {
	d.t.Helper()
	d.must(map[string]string{"deb": "dpkg", "rpm": "rpm"}[d.format], map[string]string{"deb": "-r", "rpm": "-e"}[d.format],
		program)
}

// status asks a master for its status. env are variables with the place of its sockets.
func (d *debian) status(name string, env ...string) (s control.Status) {
	d.t.Helper()
	args := slices.Concat(env, []string{"relevo", "status", name, "--json"})
	out, err := d.Command("env", args...).Output()
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	if err != nil {
		d.t.Fatalf("status of %s: %v\n%s", name, err, out)
	}
	return s
}

func workerPIDs(s control.Status) (pids []int) {
	for _, w := range s.Workers {
		pids = append(pids, w.PID)
	}
	slices.Sort(pids)
	return pids
}

// TestPackageUpgrade: a newer package is installed while a unit, a background app of root, and one
// of another user serve under load. Each master becomes the new relevo, keeps its workers, and loses
// no request. Removing the package stops none of them.
func TestPackageUpgrade(t *testing.T) {
	takesLong(t)
	t.Parallel()
	testreq.Root(t)
	for format, programs := range map[string][]string{"deb": {"dpkg", "setpriv"}, "rpm": {"rpm", "setpriv"}} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			for _, program := range programs {
				testreq.Program(t, program)
			}
			upgradePackage(t, format)
		})
	}
}

// maintained checks that the package names its maintainer.
func (d *debian) maintained() {
	d.t.Helper()
	ask := map[string][]string{"deb": {"dpkg-query", "-W", "-f", "${Maintainer}", "relevo"},
		"rpm": {"rpm", "-q", "--qf", "%{PACKAGER}", "relevo"}}[d.format]
	if got := d.must(ask[0], ask[1:]...); !strings.HasSuffix(got, testMaintainer) {
		d.t.Errorf("the maintainer is %q, want %q", got, testMaintainer)
	}
}

func upgradePackage(t *testing.T, format string) {
	d := &debian{systemdbox.Start(t, nil), t, format}
	d.install("1.0.0")
	d.installedFiles()
	d.maintained()
	apps := d.startApps()
	before := map[string]control.Status{}
	var ends []func() loadResult
	for name, app := range apps {
		before[name] = d.status(name, app.env...)
		load := startLoad(app.address)
		ends = append(ends, func() loadResult { load.cancel(); return <-load.result })
	}

	said := d.install("1.1.0")
	for name, app := range apps {
		after := d.status(name, app.env...)
		if before[name].Version != "v1.0.0" || after.Version != "v1.1.0" || after.Successions != 1 {
			t.Errorf("%s: version %s became %s, the master was replaced %d times\n%s", name, before[name].Version,
				after.Version, after.Successions, said)
		}
		if was, is := workerPIDs(before[name]), workerPIDs(after); !slices.Equal(was, is) || len(was) != 2 {
			t.Errorf("%s: workers %v became %v", name, was, is)
		}
	}
	requests := int64(0)
	for _, end := range ends {
		r := end()
		requests += r.report.Total.Sent
		if r.err != nil || r.report.Lost() > 0 || r.report.Total.OK == 0 {
			t.Errorf("%v %+v %+v", r.err, r.report.Total, r.report.Samples)
		}
	}
	t.Logf("%d requests while the package was replaced", requests)
	if main := d.Show("relevo@web.service", "MainPID"); main != fmt.Sprint(d.status("web").PID) {
		t.Errorf("systemd's main process is %s", main)
	}
	d.removed(apps)
}

// removed removes the package; the apps keep serving, and systemd can stop the unit.
func (d *debian) removed(apps map[string]debianApp) {
	d.t.Helper()
	d.remove("relevo")
	// Without its file systemd would take the unit for another one, and stop the master half a
	// minute later.
	for property, want := range map[string]string{"NotifyAccess": "main", "KillMode": "process", "Type": "notify"} {
		if got := d.Show("relevo@web.service", property); got != want {
			d.t.Errorf("after the package was removed, %s is %s, want %s", property, got, want)
		}
	}
	for name, app := range apps {
		if _, err := fetch(app.address, "/"); err != nil {
			d.t.Errorf("%s after the package was removed: %v", name, err)
		}
	}
	d.Systemctl("stop", "relevo@web.service")
	if left := d.Processes("relevo@web.service"); len(left) > 0 {
		d.t.Errorf("processes %v are left", left)
	}
}

// installedFiles checks that the manual pages, the completions and the user are where programs look
// for them.
func (d *debian) installedFiles() {
	d.t.Helper()
	for _, page := range []string{"relevo", "relevo-run", "relevo-upgrade"} {
		if text := d.must("sh", "-c", "gzip -dc /usr/share/man/man1/"+page+".1.gz"); !strings.Contains(text, `.SH SYNOPSIS`) {
			d.t.Errorf("the page %s has no synopsis:\n%.500s", page, text)
		}
	}
	said := d.must("bash", "-c", `. /usr/share/bash-completion/completions/relevo && complete -p relevo`)
	if !strings.Contains(said, "__start_relevo relevo") {
		d.t.Errorf("bash completes with %s", said)
	}
	d.must("id", "relevo")
	for path, want := range map[string]string{"/run/relevo": "711 root", "/var/lib/relevo": "711 root"} {
		if said := strings.TrimSpace(d.must("stat", "-c", "%a %U", path)); said != want {
			d.t.Errorf("%s is %s, want %s", path, said, want)
		}
	}
	if said := d.must("relevo", "version"); said != "relevo v1.0.0\n" {
		d.t.Errorf("version: %s", said)
	}
	d.must("systemd-analyze", "verify", "--man=no", "/usr/lib/systemd/system/relevo@.service")
}

type debianApp struct {
	address string
	env     []string
}

// startApps starts an app as a unit, and a background app of root and of another user, each with two
// workers.
func (d *debian) startApps() map[string]debianApp {
	d.t.Helper()
	if err := writeRelease(filepath.Join(d.Dir, "app"), "1", "serve"); err != nil {
		d.t.Fatal(err)
	}
	apps := map[string]debianApp{}
	for _, name := range []string{"web", "jobs", "shop"} {
		apps[name] = debianApp{address: testport.Address(d.t)}
	}
	configuration := fmt.Sprintf("command = [%q]\nlisten = [%q]\nworkers = 2\n[limits]\nuser = \"relevo\"\n",
		filepath.Join(d.Dir, "app"), apps["web"].address)
	if err := os.WriteFile(d.Path("/etc/relevo/web.toml"), []byte(configuration), 0o644); err != nil {
		d.t.Fatal(err)
	}
	d.Systemctl("start", "relevo@web.service")
	start := func(name string) []string {
		return []string{"relevo", "start", "--name", name, "-n", "2", "-l", apps[name].address, "--",
			filepath.Join(d.Dir, "app")}
	}
	d.must("env", start("jobs")...)
	home := filepath.Join(d.Dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		d.t.Fatal(err)
	}
	d.must("chown", "relevo", home)
	env := []string{"RELEVO_RUNTIME_DIR=" + home + "/run", "RELEVO_STATE_DIR=" + home + "/state"}
	apps["shop"] = debianApp{apps["shop"].address, env}
	d.must("setpriv", slices.Concat([]string{"--reuid=relevo", "--regid=relevo", "--clear-groups", "env"}, env,
		start("shop"))...)
	return apps
}
