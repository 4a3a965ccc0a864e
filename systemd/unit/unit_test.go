package unit_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"relevo/internal/config"
	"relevo/internal/testreq"
	. "relevo/systemd/unit"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// app is a configuration with something of everything.
func app(t *testing.T, listen ...string) config.App {
	t.Helper()
	a := config.Default()
	a.Name, a.Command, a.Dir, a.Workers = "shop", []string{"/srv/shop/server"}, "/srv/shop", 4
	for _, text := range listen {
		l, err := config.ParseListen(text)
		if err != nil {
			t.Fatal(err)
		}
		a.Listen = append(a.Listen, l)
	}
	config.NameListeners(a.Listen)
	return a
}

func files(t *testing.T, o Options) []File {
	t.Helper()
	all, err := Files(o)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func cases(t *testing.T) map[string]Options {
	web := app(t, "web=:80", "admin=127.0.0.1:9000")
	web.Limits.User = "www-data"
	nice := -5
	web.Limits.Nice = &nice
	sock := app(t, "web=:80", "six=tcp6::443,backlog=64", "log=udp4::514", "local=unix:/run/shop.sock,mode=0660",
		"abstract=unix:@shop//a")
	one := app(t, "127.0.0.1:8080")
	home := app(t, "unix:/home/ann/shop/app.sock", "unix:@shop")
	home.Dir = "/home/ann/shop"
	alone := app(t, "127.0.0.1:8080")
	alone.Capture = config.CaptureOff
	simple := app(t, "echo=udp:127.0.0.1:7,blocking")
	at := func(o Options) Options {
		o.Program, o.Config = "/usr/local/bin/relevo", "/etc/shop/relevo.toml"
		return o
	}
	return map[string]Options{
		"plain":   at(Options{App: web, Systemd: 252}),
		"newer":   at(Options{App: one, Systemd: 254}),
		"sockets": at(Options{App: sock, Sockets: true, Systemd: 252}),
		"one":     at(Options{App: one, Sockets: true, Name: "other"}),
		"simple":  at(Options{App: simple, Sockets: true, Systemd: 252}),
		"user":    at(Options{App: one, User: true, Systemd: 252}),
		"home":    at(Options{App: home, Systemd: 252}),
		"alone":   at(Options{App: alone, Systemd: 252}),
	}
}

// TestGolden: the units are what their golden files hold; -update writes them.
func TestGolden(t *testing.T) {
	for name, o := range cases(t) {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, f := range files(t, o) {
				b.WriteString("## " + f.Name + "\n" + f.Text)
			}
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWeb: the unit of the page of all apps is what its golden file holds; -update writes it. No
// app can have its name.
func TestWeb(t *testing.T) {
	for name, w := range map[string]Web{
		"web": {Address: "127.0.0.1:9615", State: "/var/lib/relevo", Runtime: "/run/relevo"},
		"web-user": {Address: "127.0.0.1:9615", State: "/home/ann/50% done/relevo", Runtime: "/run/user/1/relevo",
			User: true},
		"web-open": {Address: ":80", Hosts: []string{"a.example", "b.example"}, State: "/srv/relevo", Runtime: "/run/r"},
	} {
		w.Program = "/usr/local/bin/relevo"
		golden, got := filepath.Join("testdata", name+".golden"), w.File()
		if *update {
			if err := os.WriteFile(golden, []byte(got.Text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.Text); diff != "" || got.Name != "relevo-web.service" ||
			!strings.HasPrefix(got.Text, Mark) {
			t.Errorf("%s: %s%s", name, got.Name, diff)
		}
	}
	o := Options{App: app(t, "127.0.0.1:8080"), Name: WebName}
	if _, err := Files(o); err == nil || !strings.Contains(err.Error(), "choose another NAME") {
		t.Errorf("an app called %s: %v", WebName, err)
	}
	if _, err := (Boot{App: o.App, Name: WebName}).File(); err == nil {
		t.Errorf("an app called %s starts at boot", WebName)
	}
}

// value returns what is under a key (systemd.syntax(7)). No unit continues a line.
func value(t *testing.T, f File, section, key string) (values []string) {
	t.Helper()
	within := ""
	for line := range strings.Lines(f.Text) {
		line = strings.TrimSpace(line)
		name, value, isOption := strings.Cut(line, "=")
		switch {
		case line == "", line[0] == '#', line[0] == ';':
		case line[0] == '[' && line[len(line)-1] == ']':
			within = line[1 : len(line)-1]
		case !isOption || within == "" || strings.HasSuffix(line, `\`):
			t.Fatalf("%s: %q is no option of a section", f.Name, line)
		case within == section && name == key:
			values = append(values, value)
		}
	}
	return values
}

// TestTimes: systemd is more patient than the master.
func TestTimes(t *testing.T) {
	a := app(t, ":8080")
	a.DrainTimeout, a.StopGrace, a.ReadyTimeout = 90500*time.Millisecond, 5*time.Second, 2*time.Minute
	service := files(t, Options{App: a, Program: "/bin/relevo", Config: "/c"})[0]
	for key, least := range map[string]time.Duration{"TimeoutStopSec": a.DrainTimeout + a.StopGrace,
		"TimeoutStartSec": 2 * a.ReadyTimeout} {
		n, err := strconv.Atoi(value(t, service, "Service", key)[0])
		if got := time.Duration(n) * time.Second; err != nil || got <= least {
			t.Errorf("%s is %v, want more than %v", key, got, least)
		}
	}
}

// TestStoreSize: a notify descriptor for each worker and three sockets for each slot
// and listener have room beside the files that every worker has.
func TestStoreSize(t *testing.T) {
	a := app(t, ":8080", ":8081", ":8082")
	a.Workers = 512
	least := map[config.Capture]int{config.CaptureOff: 8 * 512, config.CaptureAuto: (10+3*3)*512 + 512}
	for capture, least := range least {
		a.Capture = capture
		service := files(t, Options{App: a, Program: "/bin/relevo", Config: "/c"})[0]
		got, err := strconv.Atoi(value(t, service, "Service", "FileDescriptorStoreMax")[0])
		if err != nil || got <= least {
			t.Errorf("capture %s: room for %d files, want more than %d", capture, got, least)
		}
	}
}

// TestMark: a unit file shows that relevo wrote it, so it may be replaced.
func TestMark(t *testing.T) {
	for _, f := range files(t, cases(t)["sockets"]) {
		if !strings.HasPrefix(f.Text, Mark) {
			t.Errorf("%s begins with %.40q", f.Name, f.Text)
		}
	}
}

// TestOddPaths: what systemd would expand or split stays as it is.
func TestOddPaths(t *testing.T) {
	o := cases(t)["plain"]
	o.Program, o.Config = "/opt/re levo/100%/relevo", `/etc/$HOME/a"b\c.toml`
	got := value(t, files(t, o)[0], "Service", "ExecStart")
	want := `"/opt/re levo/100%%/relevo" run --config "/etc/$$HOME/a\"b\\c.toml" --name shop`
	if len(got) != 1 || got[0] != want {
		t.Errorf("ExecStart=%s, want %s", got, want)
	}
}

func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		o    Options
		want string
	}{
		"port 0":      {Options{App: app(t, "web=127.0.0.1:0"), Sockets: true}, "listener web: with port 0"},
		"no listener": {Options{App: app(t), Sockets: true}, "no listener"},
		"bad name":    {Options{App: app(t), Name: "../x"}, `"../x" as a name`},
	} {
		if _, err := Files(test.o); err == nil || !strings.HasPrefix(err.Error(), "cannot ") ||
			!strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// real gives options a program that is there, which systemd looks for.
func real(t *testing.T, o Options) Options {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Program = self
	return o
}

// TestVerify: systemd itself finds nothing to say about the units.
func TestVerify(t *testing.T) {
	analyze := testreq.Program(t, "systemd-analyze")
	for name, o := range cases(t) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			args := []string{"verify", "--man=no", "--recursive-errors=no"}
			if o.User {
				args = append(args, "--user")
			}
			for _, f := range files(t, real(t, o)) {
				path := filepath.Join(dir, f.Name)
				if err := os.WriteFile(path, []byte(f.Text), 0o644); err != nil {
					t.Fatal(err)
				}
				args = append(args, path)
			}
			cmd := exec.Command(analyze, args...)
			cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
			out, err := cmd.CombinedOutput()
			// Newer keys are unknown to an older systemd, which says so and goes on.
			said := regexp.MustCompile(`(?m)^.*Unknown key (name )?'(RestartSteps|RestartMaxDelaySec)'.*\n?`).ReplaceAllString(
				string(out), "")
			if said != "" || err != nil && len(out) == 0 {
				t.Errorf("%v:\n%s", err, said)
			}
		})
	}
}

// TestExposure holds the score of systemd-analyze security, 10 being an open door.
func TestExposure(t *testing.T) {
	analyze := testreq.Program(t, "systemd-analyze")
	dir := t.TempDir()
	service := files(t, real(t, cases(t)["plain"]))[0]
	path := filepath.Join(dir, service.Name)
	if err := os.WriteFile(path, []byte(service.Text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "security", "--offline=yes", "--no-pager", path).CombinedOutput()
	found := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
	if found == nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if level, _ := strconv.ParseFloat(string(found[1]), 64); level > 4.5 {
		t.Errorf("exposure level %v, want at most 4.5:\n%s", level, out)
	}
	t.Logf("%s", found[0])
}
