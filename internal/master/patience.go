package master

import (
	"os"
	"time"

	"relevo/internal/config"
	"relevo/systemd"
)

// A third of what systemd waits for: one sign of life may get lost.
const beatsPerInterval = 3

// beats are those of systemd's watchdog, none where it does not watch.
func (c *core) beats() (beat func(), every time.Duration) {
	interval, watched := systemd.WatchdogInterval(os.Getenv)
	if !watched {
		return nil, 0
	}
	// A successor inherits this process's environment and is watched as well.
	os.Unsetenv("WATCHDOG_PID")
	return func() { c.systemd.Alive() }, interval / beatsPerInterval
}

// margin is what the master needs beyond what its workers may take.
const margin = 15 * time.Second

// The times that a part of the app's life may take at most.
func startTime(app config.App) time.Duration { return app.ReadyTimeout + margin }
func stopTime(app config.App) time.Duration  { return app.DrainTimeout + app.StopGrace + margin }
func stepTime(app config.App) time.Duration  { return startTime(app) + app.Canary + stopTime(app) }
