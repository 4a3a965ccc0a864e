package config

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDiff(t *testing.T) {
	old, new := valid(), valid()
	if changes := Diff(old, new); changes != nil {
		t.Errorf("equal apps differ: %v", changes)
	}
	nice := 5
	old.Env = []string{"SAME=1", "GONE=hunter2", "PASS=hunter2"}
	new.Env = []string{"PASS=hunter3", "SAME=1", "NEW=hunter4"}
	old.Limits.Rlimits = []Rlimit{{"nofile", 1024, 4096}, {"core", 0, 0}}
	new.Limits.Rlimits = []Rlimit{{"core", 0, 0}, {"nofile", 1024, Unlimited}}
	new.Workers, new.Command, new.Name = 4, []string{"./server", "-x y"}, "other"
	new.ReadyTimeout, new.Limits.Nice = 2*time.Minute, &nice
	new.Listen = old.Listen[:1]
	var lines []string
	for _, c := range Diff(old, new) {
		lines = append(lines, c.String()+" "+string(c.Applies))
	}
	want := `name = "other" (was "shop") restart
command = ["./server", "-x y"] (was ["./server"]) roll
workers = 4 (was 2) live
listen = ["web=:8080"] (was ["web=:8080", "admin=unix:/run/shop.sock"]) roll
ready_timeout = "2m" (was "30s") live
env.GONE removed roll
env.NEW added roll
env.PASS changed roll
limits.nice = 5 (was not set) roll
limits.rlimits.nofile = "1024:unlimited" (was "1024:4096") roll`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, c := range Diff(old, new) {
		if strings.Contains(c.Old+c.New+c.String(), "hunter") {
			t.Errorf("%+v tells a secret", c)
		}
	}
}

// TestReloaded: a running master takes from a new configuration all but what applies in a new master only.
func TestReloaded(t *testing.T) {
	running, new := valid(), valid()
	new.Name, new.After, new.Workers = "other", []string{"db"}, 4
	new.Output, new.LogFormat, new.LogLevel = OutputFiles, LogJSON, slog.LevelDebug
	new.Logs = Logs{MaxSize: 1 << 20, MaxAge: time.Hour, Keep: 3}
	new.Dev = Dev{Package: "./x", Build: "make", Watch: []string{"*.py"}, NoIgnore: true, Debounce: time.Hour,
		Proxy: "127.0.0.1:1", Open: true, Delve: true, Rules: []DevRule{{Name: "css"}}}
	differ := func(old, new App) (keys []string) {
		for _, c := range Diff(old, new) {
			if c.Applies == Restart {
				keys = append(keys, c.Key)
			}
		}
		return keys
	}
	var all []string
	for _, s := range Settings() {
		if s.Applies == Restart {
			all = append(all, s.Key)
		}
	}
	if got := differ(running, new); !slices.Equal(got, all) {
		t.Fatalf("this test changes %q of %q: give each a new value", got, all)
	}
	reloaded := Reloaded(running, new)
	if got := differ(running, reloaded); got != nil {
		t.Errorf("a reload changes %q", got)
	}
	if reloaded.Workers != 4 {
		t.Error("a reload changes nothing else, either")
	}
}
