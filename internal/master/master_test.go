package master

import (
	"log/slog"
	"testing"

	"relevo/internal/config"
	"relevo/internal/launch"
	"relevo/systemd"
	"relevo/upgrader/listeners"
)

// beginner is a master whose first generation is prepared. Its program can be tested without a
// worker, and it has no pool.
func beginner(t *testing.T) *Master {
	t.Helper()
	log, app := slog.New(slog.DiscardHandler), config.Default()
	app.Name, app.Command, app.Dir = "web", []string{"/bin/true"}, t.TempDir()
	m := newMaster(Options{Log: log, App: app, Places: config.Places{Runtime: t.TempDir(), State: t.TempDir()}})
	go m.loop.run()
	t.Cleanup(m.loop.end)
	m.systemd = systemd.NewNotifier(func(string) string { return "" }, func(error) {})
	m.useListeners(listeners.New(m.listenerOptions(0)), nil)
	var err error
	m.launcher, err = launch.New(launch.Options{SnapshotDir: t.TempDir(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	m.useLauncher()
	first, err := m.generations.Prepare(app, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		first.Close()
		m.listeners.Set.Close()
	})
	if m.boot.sockets, err = m.listeners.Acquire(nil); err != nil {
		t.Fatal(err)
	}
	m.generations.Begin(first)
	return m
}
