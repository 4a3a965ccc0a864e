package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestFileIsRead: what the file says is what the app has.
func TestFileIsRead(t *testing.T) {
	app, err := resolveText(`
command = ["./server", "", "{slot}"]
workers = 3
listen = ["web=:8080", "unix:run/a.sock,mode=0660"]
ready = "delay=2s"
stop_signal = "QUIT"
env_files = ["app.env", "/etc/app.env"]
exec_from = "snapshot"
limits.max_memory = "1.5GB"
limits.lifetime_jitter = 0.25
limits.umask = "027"
limits.user = 1000
limits.rlimits = { nofile = 65_536, core = "0:unlimited" }
log_level = "warn"
[env]
PORT = 0x10
DEBUG = true
"A.B" = "c d"
[[listener]]
name = "admin"
address = "unix:/run/b.sock"
mode = "0600"
[[listener]]
address = "udp:127.0.0.1:53"
blocking = true
[[listener]]
address = "unix:@shop//a"
`)
	if err != nil {
		t.Fatal(err)
	}
	var listen []string
	for _, l := range app.Listen {
		listen = append(listen, l.text())
	}
	for what, is := range map[string]bool{
		"command":   slices.Equal(app.Command, []string{"./server", "", "{slot}"}),
		"name":      app.Name == "server",
		"directory": app.Dir == "/srv/shop",
		"workers":   app.Workers == 3,
		"listen": slices.Equal(listen, []string{"web=:8080", "listen1=unix:/srv/shop/run/a.sock,mode=0660",
			"admin=unix:/run/b.sock,mode=0600", "listen3=udp:127.0.0.1:53,blocking", "listen4=unix:@shop//a"}),
		"ready":     app.Ready == Ready{ReadyDelay, 2 * time.Second},
		"signal":    SignalName(app.StopSignal) == "SIGQUIT",
		"env files": slices.Equal(app.EnvFiles, []string{"/srv/shop/app.env", "/etc/app.env"}),
		"exec from": app.ExecFrom == ExecSnapshot,
		"memory":    app.Limits.MaxMemory == 1_500_000_000,
		"jitter":    app.Limits.LifetimeJitter == 0.25,
		"umask":     *app.Limits.Umask == 0o27,
		"user":      app.Limits.User == "1000",
		"level":     app.LogLevel.String() == "WARN",
		"env":       slices.Equal(app.Env, []string{"PORT=16", "DEBUG=true", "A.B=c d"}),
		"rlimits":   slices.Equal(app.Limits.Rlimits, []Rlimit{{"nofile", 65536, 65536}, {"core", 0, Unlimited}}),
		"the rest":  app.Surge == 1 && app.WatchBinary && app.Limits.Nice == nil,
	} {
		if !is {
			t.Errorf("%s is wrong in %+v, %q", what, app, listen)
		}
	}
}

// TestBlocking: the setting is for all listeners, the option for one.
func TestBlocking(t *testing.T) {
	for text, want := range map[string]string{
		"":                   ":1 :2,blocking",
		"blocking = true\n":  ":1,blocking :2,blocking",
		"blocking = false\n": ":1 :2,blocking",
	} {
		app, err := resolveText(text + "command = [\"./server\"]\nlisten = [\":1\", \":2,blocking\"]\n")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range app.Listen {
			l.Name = ""
			got = append(got, l.text())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestOrder: flags, variables, file, defaults; the first that has a setting wins.
func TestOrder(t *testing.T) {
	file := parse("relevo.toml", "/srv", []byte(`
workers = 2
surge = 2
canary = "2s"
listen = [":1", ":2"]
env = {A = "file", B = "file", C = "file"}
env_files = ["f.env"]
`))
	variables := map[string]string{"RELEVO_SURGE": "3", "RELEVO_CANARY": "3s", "RELEVO_ENV": "B=variable C=variable",
		"RELEVO_ENV_FILE": "v.env w.env"}
	app, err := Sources{
		Defaults: Default(), File: file, Dir: "/home", Getenv: func(name string) string { return variables[name] },
		Flags: map[string][]string{"command": {"./server"}, "canary": {"9s", "4s"}, "listen": {":4"},
			"env": {"C=flag", "D=flag"}},
	}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if app.Workers != 2 || app.Surge != 3 || app.Canary != 4*time.Second || app.ReadyTimeout != DefaultReadyTimeout {
		t.Errorf("got %+v", app)
	}
	if len(app.Listen) != 1 || app.Listen[0].Address != ":4" {
		t.Errorf("a list of flags does not replace: %v", app.Listen)
	}
	if !slices.Equal(app.EnvFiles, []string{"/home/v.env", "/home/w.env"}) {
		t.Errorf("a list of a variable does not replace: %v", app.EnvFiles)
	}
	if want := []string{"A=file", "B=variable", "C=flag", "D=flag"}; !slices.Equal(app.Env, want) {
		t.Errorf("env is %q, want %q", app.Env, want)
	}
	if app.Dir != "/home" {
		t.Errorf("the command of the command line runs in %s", app.Dir)
	}
}

// TestListenersReplaceDefaults: however the file writes its listeners, those of the
// defaults are not beside them.
func TestListenersReplaceDefaults(t *testing.T) {
	for _, text := range []string{"listen = [\":2\"]", "[[listener]]\naddress = \":2\"",
		"listener = [{address = \":2\"}]"} {
		s := Sources{Defaults: valid(), Dir: "/", File: parse("relevo.toml", "/", []byte(text))}
		app, err := s.Resolve()
		if err != nil || len(app.Listen) != 1 || app.Listen[0].Address != ":2" {
			t.Errorf("%q: %v, %v", text, app.Listen, err)
		}
		if len(s.Defaults.Listen) != 2 || s.Defaults.Listen[0].Address != ":8080" {
			t.Errorf("the defaults were changed: %v", s.Defaults.Listen)
		}
	}
}

// TestBlame: an error names the source that won.
func TestBlame(t *testing.T) {
	s := Sources{
		Defaults: Default(), Dir: "/home",
		File: parse("a.toml", "/srv", []byte("surge = 0\nworkers = 2\ncommand = [\"x\"]\nlisten = [\":1\", \":2\"]\n")),
		Getenv: func(name string) string {
			return map[string]string{"RELEVO_KEEP_RELEASES": "0", "RELEVO_READY": "soon"}[name]
		},
		Flags: map[string][]string{"limits.watchdog": {"1ms"}},
	}
	_, err := s.Resolve()
	wantError(t, err, "a.toml:1:9: cannot roll with a surge of 0",
		"keep 0 releases: at least 1 is needed for a rollback (environment variable RELEVO_KEEP_RELEASES)",
		`cannot use "soon" for ready`, "(environment variable RELEVO_READY)",
		"watchdog of 1ms: at least 100ms, or 0 for none (flag --watchdog)")
	s.Flags["surge"], s.Flags["listen"] = []string{"-1"}, []string{":5", ":5"}
	_, err = s.Resolve()
	wantError(t, err, "a surge of -1: at least 1 is needed (flag --surge)",
		`cannot listen twice on :5 (listeners "listen" and "listen1") (flag --listen)`)
	if strings.Contains(err.Error(), "a.toml") {
		t.Errorf("the file is blamed for what a flag says: %v", err)
	}
	wantError(t, s.Blame("command", errors.New("cannot run x")), "a.toml:3:11: cannot run x")
}

// TestReread: a reload sees the file as it is, with the same flags; a relative
// path keeps its meaning.
func TestReread(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "a.toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("command = [\"./a\"]\nsurge = 2\nworkers = 2")
	file, err := Load("a.toml", dir)
	if err != nil {
		t.Fatal(err)
	}
	s := Sources{Defaults: Default(), File: file, Dir: dir, Flags: map[string][]string{"workers": {"5"}}}
	write("command = [\"./b\"]\nsurge = 3\nworkers = 3\ndirectory = \"sub\"\nenv_files = [\"no.env\"]")
	again, err := s.Reread()
	if err != nil {
		t.Fatal(err)
	}
	app, err := again.Resolve()
	if err != nil || app.Surge != 3 || app.Workers != 5 || app.Command[0] != "./b" ||
		app.Dir != filepath.Join(dir, "sub") {
		t.Errorf("got %+v, %v", app, err)
	}
	wantError(t, again.CheckFiles(), "a.toml:4:13: cannot use the working directory: ",
		"a.toml:5:14: cannot read the environment file: ")
	write("surge = ")
	again, err = s.Reread()
	if _, other := again.Resolve(); err != nil || other == nil {
		t.Errorf("a broken file: %v, %v", err, other)
	}
	if err := os.Remove(filepath.Join(dir, "a.toml")); err != nil {
		t.Fatal(err)
	}
	_, err = s.Reread()
	wantError(t, err, "a.toml: cannot read the configuration: ", "no such file", "--config")
	if !Invalid(err) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v is not an error of the file", err)
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	_, err := Load(".", dir)
	wantError(t, err, ".: cannot read the configuration: ", "is a directory")
	if err := os.WriteFile(filepath.Join(dir, "big.toml"), make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Load("big.toml", dir)
	wantError(t, err, "big.toml: cannot read the configuration: it has more than 1MiB")
}

// TestNameOfBrokenFile: commands find their master while its file is being edited.
func TestNameOfBrokenFile(t *testing.T) {
	file := parse("relevo.toml", "/", []byte("name = \"shop\"\nnonsense = 1\nsurge = "))
	if file.Name() != "shop" || file.Err() == nil {
		t.Errorf("name %q, %v", file.Name(), file.Err())
	}
}
