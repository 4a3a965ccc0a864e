package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/internal/capture"
	"relevo/internal/config"
)

// sound is a host without any problem.
func sound(t *testing.T) *Host {
	t.Helper()
	app := config.Default()
	app.Name, app.Command, app.Workers, app.KeepReleases = "shop", []string{"/srv/shop"}, 4, 2
	app.Limits.User = "www-data"
	app.Listen = []config.Listen{{Name: "web", Network: config.TCP, Address: ":8080"}}
	h := &Host{
		Root: t.TempDir(), User: "root", CPUs: 4, Places: config.Places{Runtime: "/run/relevo", State: "/var/lib/relevo"},
		ConfigFile: "relevo.toml", App: app, Configured: true, Program: "/srv/shop",
		Probes: Probes{
			Release: "6.18.1", CgroupDir: "/sys/fs/cgroup/app", FilesSoft: 65536, FilesHard: 65536,
			Usable: func(string) bool {
				return true
			}, Trust: func(string) error { return nil }, Bind: func(config.Listen) error { return nil },
			Free: 1 << 40, ReflinkTried: true, ProgramSize: 1 << 20, Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
			ClockSynced: true,
		},
		Systemctl: unitOf(map[string]string{"Type": "notify", "KillMode": "process", "FileDescriptorStoreMax": "512",
			"TimeoutStopUSec": "1min 30s", "Delegate": "yes"}),
	}
	for path, text := range map[string]string{
		"/proc/self/mountinfo": "1 0 0:1 / /proc rw - proc proc rw,hidepid=0\n" +
			"2 0 0:2 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		"/proc/self/status":                             "Name:\tx\nCapEff:\t000001ffffffffff\n",
		"/proc/self/exe":                                "",
		"/proc/sys/fs/inotify/max_user_instances":       "128\n",
		"/proc/sys/fs/inotify/max_user_watches":         "10000\n",
		"/proc/sys/net/core/somaxconn":                  "4096\n",
		"/proc/sys/net/ipv4/tcp_syncookies":             "1\n",
		"/proc/sys/net/ipv4/tcp_abort_on_overflow":      "0\n",
		"/proc/sys/net/ipv4/ip_unprivileged_port_start": "1024\n",
		"/sys/fs/cgroup/app/cgroup.kill":                "",
		"/run/systemd/system/x":                         "",
		"/srv/shop":                                     "\x7fELF … WATCHDOG_USEC …",
	} {
		h.write(t, path, text)
	}
	return h
}

func (h *Host) write(t *testing.T, path, text string) {
	t.Helper()
	path = filepath.Join(h.Root, path)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// unitOf is a systemctl that knows only shop.service.
func unitOf(properties map[string]string) func(bool, ...string) (string, error) {
	return func(_ bool, args ...string) (string, error) {
		switch {
		case args[0] == "--version":
			return "systemd 257 (257.1-1)\n+PAM\n", nil
		case args[len(args)-1] != "shop.service":
			return "LoadState=not-found\n", nil
		}
		text := "LoadState=loaded\nFragmentPath=/etc/systemd/system/shop.service\n"
		for name, value := range properties {
			text += name + "=" + value + "\n"
		}
		return text, nil
	}
}

func TestSound(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Examine(sound(t)) {
		if f.Status != OK {
			t.Errorf("%s: %+v", f.Check, f)
		}
		seen[f.Check] = true
	}
	if len(seen) < 25 {
		t.Errorf("only %d checks said something: %v", len(seen), seen)
	}
}

// TestDecisions: each case breaks one thing, and exactly that is found.
func TestDecisions(t *testing.T) {
	denied := errors.New("denied")
	bind := func(err error) func(*Host) {
		return func(h *Host) { h.Probes.Bind = func(config.Listen) error { return err } }
	}
	service := func(name, value string) func(*Host) {
		return func(h *Host) {
			properties := map[string]string{"Type": "notify", "KillMode": "process", "FileDescriptorStoreMax": "512",
				"TimeoutStopUSec": "1min 30s", "Delegate": "yes"}
			properties[name] = value
			h.Systemctl = unitOf(properties)
		}
	}
	file := func(path, text string) func(*Host) { return func(h *Host) { h.write(t, path, text) } }
	asUser := func(h *Host) {
		h.UID, h.User = 7, "u"
		h.write(t, "/proc/self/status", "CapEff:\t0000000000000000\n")
		h.write(t, "/var/lib/systemd/linger/u", "")
	}
	yama := func(scope string) func(*Host) {
		return func(h *Host) {
			asUser(h)
			h.App.Limits.User = ""
			h.write(t, "/proc/sys/kernel/yama/ptrace_scope", scope+"\n")
		}
	}
	for name, c := range map[string]struct {
		damage func(*Host)
		check  string
		status Status
		says   string
	}{
		"old kernel":     {func(h *Host) { h.Probes.Release = "4.19.0" }, "kernel", Warn, "5.15 or newer"},
		"no pidfd":       {func(h *Host) { h.Probes.Pidfd = denied }, "pidfd", Warn, "denied"},
		"no exit status": {func(h *Host) { h.Probes.ExitInfo = denied }, "exit-info", Warn, "6.15"},
		"no close_range": {func(h *Host) { h.Probes.CloseRange = denied }, "close_range", Warn, "5.11"},
		"no memfd":       {func(h *Host) { h.Probes.Memfd = denied }, "memfd", Warn, "seccomp"},
		"no filter":      {func(h *Host) { h.Probes.Filter = denied }, "filter", OK, "second socket"},
		"no capture":     {func(h *Host) { h.Probes.Capture = denied }, "capture", Warn, "process_vm_readv"},
		"nested capture": {func(h *Host) { h.Probes.Capture = capture.ErrNested }, "capture", OK, "--capture off"},
		"capture off": {func(h *Host) {
			h.App.Capture, h.Probes.Capture = config.CaptureOff, denied
		}, "capture", OK, "programs bind without relevo"},
		"capture, Yama":  {yama("2"), "capture", Warn, "ptrace_scope=2"},
		"late binds":     {yama("1"), "capture", OK, "outlived its master"},
		"other user's":   {file("/proc/self/status", "CapEff:\t00000000000000c1\n"), "capture", Warn, "www-data"},
		"no credentials": {func(h *Host) { h.Probes.Credentials = denied }, "credentials", Bad, "NOTIFY_SOCKET"},
		"exec by path":   {func(h *Host) { h.Probes.Release = "6.1.0-44-amd64" }, "execveat", OK, "6.14"},
		"no cgroup2": {file("/proc/self/mountinfo", "2 0 0:2 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"),
			"cgroup", Warn, "no cgroup v2"},
		"hybrid": {func(h *Host) {
			h.Probes.CgroupDir = ""
			h.write(t, "/proc/self/mountinfo", "1 0 0:1 / /a rw - cgroup cgroup rw\n2 0 0:2 / /b rw - cgroup2 c rw\n")
		}, "cgroup", Warn, "beside v1"},
		"not delegated":  {func(h *Host) { h.Probes.CgroupDir = "" }, "cgroup", Warn, "Delegate=yes"},
		"no cgroup.kill": {func(h *Host) { os.Remove(h.Root + "/sys/fs/cgroup/app/cgroup.kill") }, "cgroup", Warn, "5.14"},
		"no inotify":     {func(h *Host) { h.Probes.Inotify = denied }, "inotify", Warn, "every two seconds"},
		"few watches":    {file("/proc/sys/fs/inotify/max_user_watches", "10"), "inotify", Warn, "max_user_watches"},
		"no systemd":     {func(h *Host) { os.RemoveAll(h.Root + "/run/systemd") }, "systemd", OK, "--restart"},
		"systemd mute": {func(h *Host) {
			h.Systemctl = func(bool, ...string) (string, error) { return "", denied }
		}, "systemd", Warn, "denied"},
		"old systemd": {func(h *Host) {
			s := h.Systemctl
			h.Systemctl = func(u bool, a ...string) (string, error) {
				text, err := s(u, a...)
				return strings.Replace(text, "257", "252", 1), err
			}
		}, "systemd", Warn, "ExecReload="},
		"no manager of its own": {func(h *Host) {
			asUser(h)
			s := h.Systemctl
			h.Systemctl = func(user bool, a ...string) (string, error) {
				if user {
					return "", denied
				}
				return s(user, a...)
			}
		}, "systemd", OK, "the user's own does not answer"},
		"a unit of the system": {func(h *Host) {
			asUser(h)
			s := h.Systemctl
			h.Systemctl = func(user bool, a ...string) (string, error) {
				if user {
					return "LoadState=not-found\n", nil
				}
				return s(user, a...)
			}
		}, "unit", OK, "shop.service"},
		"no unit":             {func(h *Host) { h.App.Name = "other" }, "unit", Warn, "relevo install"},
		"Type=simple":         {service("Type", "simple"), "unit", Warn, "Type=notify"},
		"KillMode":            {service("KillMode", "control-group"), "unit", Warn, "systemd kills the workers, too"},
		"small store":         {service("FileDescriptorStoreMax", "0"), "unit", Warn, "FileDescriptorStoreMax="},
		"no delegation":       {service("Delegate", "no"), "unit", Warn, "Delegate=yes"},
		"TimeoutStopSec":      {service("TimeoutStopUSec", "20s"), "unit", Bad, "TimeoutStopSec=40"},
		"TimeoutStopSec none": {service("TimeoutStopUSec", "infinity"), "unit", OK, "shop.service"},
		"no linger": {func(h *Host) {
			asUser(h)
			os.Remove(h.Root + "/var/lib/systemd/linger/u")
		}, "linger", Warn, "loginctl enable-linger u"},
		"linger":          {asUser, "linger", OK, "outlive"},
		"workers of root": {func(h *Host) { h.App.Limits.User = "" }, "user", Warn, "www-data"},
		"no entry":        {func(h *Host) { h.User = "" }, "user", OK, "without an entry"},
		"low port": {func(h *Host) {
			asUser(h)
			h.App.Listen[0].Address = ":80"
		}, "ports", Bad, "ip_unprivileged_port_start=80"},
		"low port allowed": {func(h *Host) {
			asUser(h)
			h.App.Listen[0].Address = ":80"
			h.write(t, "/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")
		}, "ports", OK, "from 0 on"},
		"low port capable": {func(h *Host) {
			asUser(h)
			h.App.Listen[0].Address = ":80"
			h.write(t, "/proc/self/status", "CapEff:\t0000000000000400\n")
		}, "ports", OK, "CAP_NET_BIND_SERVICE"},
		"few files": {func(h *Host) { h.Probes.FilesSoft = 1024 }, "nofile", Warn, "1024 connections"},
		"few tasks": {func(h *Host) {
			h.Probes.TasksLimited, h.Probes.TasksLeft = true, 5
		}, "tasks", Warn, "the master lives on"},
		"many tasks": {func(h *Host) {
			h.Probes.TasksLimited, h.Probes.TasksLeft = true, 5000
		}, "tasks", OK, "5000 more processes and threads"},
		"few files, but set": {func(h *Host) {
			h.Probes.FilesSoft = 1024
			h.App.Limits.Rlimits = []config.Rlimit{{Name: "nofile", Soft: 9999, Hard: config.Unlimited}}
		}, "nofile", OK, "9999 open files for each worker (at most unlimited)"},
		"somaxconn":  {file("/proc/sys/net/core/somaxconn", "128"), "backlog", Warn, "burst"},
		"backlog":    {func(h *Host) { h.App.Listen[0].Backlog = 5000 }, "backlog", Warn, "somaxconn=5000"},
		"syncookies": {file("/proc/sys/net/ipv4/tcp_syncookies", "0"), "syncookies", Warn, "flood"},
		"overflow":   {file("/proc/sys/net/ipv4/tcp_abort_on_overflow", "1"), "overflow", Warn, "reset"},
		"hidepid": {func(h *Host) {
			asUser(h)
			h.write(t, "/proc/self/mountinfo", "1 0 0:1 / /proc rw - proc proc rw,hidepid=invisible\n"+
				"2 0 0:2 / /b rw - cgroup2 c rw\n")
		}, "proc", Warn, "hidepid=invisible"},
		"no proc": {func(h *Host) { os.Remove(h.Root + "/proc/self/exe") }, "proc", Bad, "not mounted"},
		"1970":    {func(h *Host) { h.Probes.Now = time.Unix(5, 0) }, "clock", Warn, "1970"},
		"no NTP":  {func(h *Host) { h.Probes.ClockSynced = false }, "clock", OK, "set-ntp"},
		"runtime, another's": {func(h *Host) {
			h.Probes.Trust = func(dir string) error { return errorAt(dir, "/run/relevo", "it belongs to user 7") }
		}, "runtime", Bad, "it belongs to user 7: no master starts"},
		"state, another's": {func(h *Host) {
			h.Probes.Trust = func(dir string) error { return errorAt(dir, "/var/lib/relevo/shop", "it belongs to user 7") }
		}, "state", Warn, "it belongs to user 7: workers run from the open file"},
		"runtime": {func(h *Host) {
			h.Probes.Usable = func(dir string) bool { return dir != "/run/relevo" }
		}, "runtime", Bad, "RELEVO_RUNTIME_DIR"},
		"runtime, fallback": {func(h *Host) {
			h.Places.Warning = "cannot write to /run"
		}, "runtime", Warn, "cannot write to /run"},
		"runtime, too long": {func(h *Host) { h.Places.Runtime = "/" + strings.Repeat("x", 100) }, "runtime", Bad, "shorter"},
		"state": {func(h *Host) {
			h.Probes.Usable = func(dir string) bool { return dir != "/var/lib/relevo/shop" }
		}, "state", Warn, "open file"},
		"state, snapshots": {func(h *Host) {
			h.App.ExecFrom = config.ExecSnapshot
			h.Probes.NoExec = true
		}, "state", Bad, "noexec"},
		"state, noexec": {func(h *Host) { h.Probes.NoExec = true }, "state", Warn, "noexec"},
		"state, no inodes": {func(h *Host) {
			h.Probes.Inodes, h.Probes.FreeInodes = 1000, 3
		}, "state", Warn, "3 inodes are free: workers run from the open file"},
		"state, full": {func(h *Host) {
			h.Probes.Free = 1 << 20
		}, "state", Warn, "1024 KiB are free; 3 releases of shop may need 3072 KiB"},
		"no reflink": {func(h *Host) { h.Probes.Reflink = denied }, "reflink", OK, "XFS"},
		"wrong file": {func(h *Host) {
			h.Configured = false
			h.ConfigErrors = []error{errors.New("relevo.toml:3:1: nonsense")}
		}, "configuration", Bad, "relevo.toml:3:1: nonsense"},
		"no file": {func(h *Host) {
			h.Configured, h.ConfigFile, h.App = false, "", config.App{}
		}, "configuration", OK, "relevo doctor -c FILE"},
		"no program": {func(h *Host) {
			h.CommandError = errors.New("cannot run it: no such file")
		}, "command", Bad, "no such file"},
		"no command":  {func(h *Host) { h.App.Command = nil }, "command", OK, "relevo serve"},
		"not running": {func(h *Host) { h.Wanted = "shop" }, "master", Warn, "shop does not run"},
		"port taken":  {bind(syscall.EADDRINUSE), "listener", Bad, "ss -lnp | grep -w 8080"},
		"port taken by us": {func(h *Host) {
			bind(syscall.EADDRINUSE)(h)
			h.Running = &Running{Name: "shop", PID: 5, Addresses: []string{"[::]:8080"}}
		}, "listener", OK, "pid 5"},
		"a warning of its status": {func(h *Host) {
			h.Running = &Running{Name: "shop", PID: 5, Warnings: []string{"the file was removed"}}
		}, "master", Warn, "the file was removed"},
		"port taken, not by us": {func(h *Host) {
			bind(syscall.EADDRINUSE)(h)
			h.Running = &Running{PID: 5, Addresses: []string{"[::]:18080"}}
		}, "listener", Bad, "another program"},
		"port forbidden":  {bind(syscall.EACCES), "listener", Bad, "may not bind"},
		"no such address": {bind(syscall.EADDRNOTAVAIL), "listener", Bad, "no interface"},
		"no directory": {func(h *Host) {
			bind(syscall.ENOENT)(h)
			h.App.Listen[0] = config.Listen{Network: config.Unix, Address: "/nowhere/a"}
		}, "listener", Bad, "mkdir /nowhere"},
		"docker stop": {func(h *Host) {
			h.Patience = Patience{10 * time.Second, "docker stop", "docker stop -t %d"}
		}, "patience", Bad, "docker stop -t 37"},
		"docker stop, enough": {func(h *Host) {
			h.Patience = Patience{time.Minute, "docker stop", "%d"}
		}, "patience", OK, "waits for 1m0s"},
		"crowd":       {func(h *Host) { h.App.Workers = 33 }, "workers", Warn, "33 on 4"},
		"one worker":  {func(h *Host) { h.App.Workers = 1 }, "workers", OK, "clients wait"},
		"no watchdog": {func(h *Host) {}, "watchdog", OK, "not noticed"},
		"watchdog":    {func(h *Host) { h.App.Limits.Watchdog = time.Second }, "watchdog", OK, "1s"},
		"watchdog, in vain": {func(h *Host) {
			h.App.Limits.Watchdog = time.Second
			h.write(t, "/srv/shop", "\x7fELF")
		}, "watchdog", Warn, "not be watched"},
		"watchdog, a script": {func(h *Host) {
			h.App.Limits.Watchdog = time.Second
			h.App.Command = []string{"node", "/srv/a.js"}
			h.write(t, "/srv/shop", "\x7fELF")
			h.write(t, "/srv/a.js", "")
		}, "watchdog", OK, "1s"},
	} {
		t.Run(name, func(t *testing.T) {
			h := sound(t)
			c.damage(h)
			found := false
			for _, f := range Examine(h) {
				if f.Check == c.check && f.Status == c.status && strings.Contains(f.Found+" "+f.Consequence+" "+f.Remedy, c.says) {
					found = true
				} else if f.Status != OK && f.Check != c.check {
					t.Errorf("it also finds %+v", f)
				}
				if f.Status != OK && f.Consequence == "" {
					t.Errorf("no consequence: %+v", f)
				}
			}
			if !found {
				t.Errorf("no finding of %s is %s and says %q: %+v", c.check, c.status, c.says, Examine(h))
			}
			if AnyBad(Examine(h)) != (c.status == Bad) {
				t.Error("the exit code would be wrong")
			}
		})
	}
}

func TestParseSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1min 30s": 90 * time.Second, "5s": 5 * time.Second, "1h 2min 3.5s": time.Hour + 2*time.Minute +
			3500*time.Millisecond,
		"500ms": 500 * time.Millisecond, "1d": 24 * time.Hour, "infinity": 0,
	} {
		if got, known := parseSpan(text); got != want || !known {
			t.Errorf("%q: got %s, %v", text, got, known)
		}
	}
	for _, text := range []string{"", "s", "12", "3 fortnights", "5x"} {
		if got, known := parseSpan(text); known {
			t.Errorf("%q is taken for %s", text, got)
		}
	}
}

func errorAt(dir, bad, text string) error {
	if dir == bad {
		return errors.New(text)
	}
	return nil
}
