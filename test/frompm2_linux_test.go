package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/prove"
	"relevo/internal/testport"
	"relevo/internal/testreq"
)

// fromPM2App is a program that ran under PM2. It works the same under any process manager.
const fromPM2App = `
const http = require('http')
http.createServer((request, response) => {
  if (request.url !== '/') console.log('asked for ' + request.url)
  response.end('version ONE')
}).listen(process.env.PORT, '127.0.0.1')
`

// manager is the process manager of the app: PM2 or relevo.
type manager struct {
	site    *site
	name    string
	program string
	env     []string
	address string
}

// says runs a command of the manager, and returns its output.
func (m *manager) says(args ...string) (said string, code int) {
	m.site.t.Helper()
	cmd := exec.Command(m.program, args...)
	cmd.Dir, cmd.Env = m.site.dir, m.env
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		m.site.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// must runs a command that must succeed.
func (m *manager) must(args ...string) (said string) {
	m.site.t.Helper()
	said, code := m.says(args...)
	if code != 0 {
		m.site.t.Fatalf("%s %s: exit code %d: %s", m.name, strings.Join(args, " "), code, said)
	}
	return said
}

// save writes another version of the app.
func (m *manager) save(text string) {
	m.site.t.Helper()
	path := filepath.Join(m.site.dir, "app.js")
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		m.site.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		m.site.t.Fatal(err)
	}
}

// answers waits until a new connection is answered with this text.
func (m *manager) answers(want string) {
	m.site.t.Helper()
	m.site.await(m.name+" to answer "+want, func() bool {
		body, err := fetch(m.address, "/")
		return err == nil && body == want
	})
}

// under does something while a load runs, and returns the losses.
func (m *manager) under(do func()) prove.Report {
	m.site.t.Helper()
	load := startLoad(m.address)
	do()
	load.cancel()
	r := <-load.result
	if r.err != nil {
		m.site.t.Error(r.err)
	}
	return r.report
}

// processes returns the processes of this manager, recognized by their environment: all, or only
// those with app.js in their command line.
func (m *manager) processes(all bool) (pids []int) {
	found, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range found {
		text, _ := os.ReadFile(path)
		if !strings.Contains("\x00"+string(text), "\x00FROM_PM2="+m.address+"\x00") {
			continue
		}
		arguments, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if all || strings.Contains(string(arguments), "app.js") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// powerOff ends everything that this manager has started, as a power cut does.
func (m *manager) powerOff() {
	m.site.t.Helper()
	m.site.await("the end of all processes", func() bool {
		left := m.processes(true)
		for _, pid := range left {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(left) == 0
	})
	os.RemoveAll(filepath.Join(m.site.dir, "run")) // /run is empty after a boot
}

// killed kills the process that keeps the workers, and runs the command that a user would run then.
func (m *manager) killed(pid int, then ...string) {
	m.site.t.Helper()
	m.site.must(syscall.Kill(pid, syscall.SIGKILL))
	m.site.await(m.name+" to be gone", func() bool { return syscall.Kill(pid, 0) != nil })
	m.must(then...)
	m.answers("version TWO")
}

func (m *manager) pm2Daemon() int {
	m.site.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.site.dir, "pm2", "pm2.pid"))
	pid, wrong := strconv.Atoi(strings.TrimSpace(string(text)))
	m.site.must(errors.Join(err, wrong))
	return pid
}

func (m *manager) relevoMaster() int {
	m.site.t.Helper()
	var listed []struct{ PID int }
	m.site.must(json.Unmarshal([]byte(m.must("list", "--json")), &listed))
	return listed[0].PID
}

// pm2Of installs PM2 into the cache of .ci/programs.
func pm2Of(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	place := filepath.Join(cache, "relevo-programs", "pm2-7")
	installFromNPM(t, place, "pm2@7", filepath.Join(place, "node_modules/pm2/package.json"))
	return filepath.Join(place, "node_modules/.bin/pm2")
}

// newManagers are PM2 and relevo with the same app, each in a directory of its own.
func newManagers(t *testing.T) (pm2, relevo *manager) {
	pm2 = &manager{site: emptySite(t), name: "PM2", program: pm2Of(t)}
	relevo = &manager{site: emptySite(t), name: "relevo"}
	relevo.program = relevo.site.program
	for _, m := range []*manager{pm2, relevo} {
		m.address = testport.Address(t)
		_, port, _ := strings.Cut(m.address, ":")
		m.env = append(m.site.env, "FROM_PM2="+m.address, "PORT="+port, "PM2_HOME="+filepath.Join(m.site.dir, "pm2"),
			"HOME="+m.site.dir)
		m.save(fromPM2App)
		t.Cleanup(m.powerOff)
	}
	return pm2, relevo
}

// TestFromPM2: the first quarter of an hour of a user who comes from PM2, with both managers. What
// PM2 loses is logged; what relevo loses is an error.
func TestFromPM2(t *testing.T) {
	takesLong(t)
	testreq.Program(t, "node")
	testreq.Program(t, "npm")
	t.Parallel()
	pm2, relevo := newManagers(t)
	both := func(do func(m *manager)) { do(pm2); do(relevo) }
	two := strings.Replace(fromPM2App, "ONE", "TWO", 1)

	both(func(m *manager) {
		m.must("start", "app.js", "-i", "4", "--name", "web")
		m.answers("version ONE")
		m.site.await("4 workers", func() bool { return len(m.processes(false)) == 4 })
		if said := m.must("list"); !strings.Contains(said, "web") {
			t.Errorf("%s list: %s", m.name, said)
		}
	})
	reload := func(m *manager) prove.Report { return m.under(func() { m.must("reload", "web") }) }
	compare(t, "reload", reload(pm2), reload(relevo), true)

	theirs := pm2.under(func() { pm2.save(two); pm2.must("reload", "web"); pm2.answers("version TWO") })
	ours := relevo.under(func() { relevo.save(two); relevo.answers("version TWO") }) // no command is needed
	compare(t, "edit", theirs, ours, true)
	relevo.site.await("the roll to end", func() bool { return strings.Contains(relevo.must("status", "web"), "running") })

	bad := "throw new Error('no database')\n"
	theirs = pm2.under(func() { pm2.save(bad); pm2.says("reload", "web") })
	ours = relevo.under(func() {
		relevo.save(bad)
		if said, code := relevo.says("reload", "web"); code != 10 || !strings.Contains(said, "no database") {
			t.Errorf("a bad release: exit code %d: %s", code, said)
		}
	})
	compare(t, "bad release", theirs, ours, true)
	both(func(m *manager) { m.save(two) })
	pm2.must("reload", "web")
	both(func(m *manager) { m.answers("version TWO") })

	scale := func(m *manager) prove.Report {
		return m.under(func() {
			m.must("scale", "web", "6")
			m.site.await("6 workers", func() bool { return len(m.processes(false)) == 6 })
			m.must("scale", "web", "2")
			m.site.await("2 workers", func() bool { return len(m.processes(false)) == 2 })
		})
	}
	compare(t, "scale", scale(pm2), scale(relevo), true)

	both(func(m *manager) {
		if _, err := fetch(m.address, "/hello"); err != nil {
			t.Error(err)
		}
		logs := []string{"logs", "web", "--nostream", "--lines", "1000"}
		if m == relevo {
			logs = []string{"logs", "web"}
		}
		m.site.await("the line in the log", func() bool { return strings.Contains(m.must(logs...), "asked for /hello") })
	})

	pm2.must("save") // otherwise it starts nothing
	theirs = pm2.under(func() { pm2.killed(pm2.pm2Daemon(), "resurrect") })
	ours = relevo.under(func() { relevo.killed(relevo.relevoMaster(), "start", "web") })
	compare(t, "kill -9 of what keeps it, and the command after it", theirs, ours, false)

	both(func(m *manager) {
		m.powerOff()
		// After a boot the shell does not have the variable PORT.
		m.env = slices.DeleteFunc(m.env, func(v string) bool { return strings.HasPrefix(v, "PORT=") })
	})
	pm2.must("resurrect")
	relevo.must("start", "--all")
	both(func(m *manager) {
		m.answers("version TWO")
		m.must("delete", "web")
		if said, _ := m.says("list"); strings.Contains(said, "web") {
			t.Errorf("%s list, after the end: %s", m.name, said)
		}
		m.site.await("the end of all workers", func() bool { return len(m.processes(false)) == 0 })
	})
}

// compare logs the losses of both managers.
func compare(t *testing.T, step string, pm2, relevo prove.Report, strict bool) {
	t.Helper()
	tell := func(r prove.Report) string {
		count := func(f *prove.Figures) string {
			if f == nil {
				return "none"
			}
			return fmt.Sprintf("%d of %d", f.Sent-f.OK-f.Held, f.Sent)
		}
		return fmt.Sprintf("%s fresh and %s kept lost, longest gap %v", count(r.Fresh), count(r.KeepAlive), r.LongestGap)
	}
	t.Logf("%s: PM2 %s; relevo %s", step, tell(pm2), tell(relevo))
	if strict && relevo.Lost() > 0 {
		t.Errorf("%s: relevo lost requests: %+v", step, relevo.Samples)
	}
}
