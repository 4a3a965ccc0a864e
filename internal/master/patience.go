package master

import (
	"os"
	"time"

	"relevo/internal/config"
	"relevo/systemd"
)

// A third of the time that systemd allows: one message may get lost.
const beatsPerInterval = 3

// beats returns what feeds systemd's watchdog; nothing if systemd does not watch.
func (c *core) beats() (beat func(), every time.Duration) {
	interval, watched := systemd.WatchdogInterval(os.Getenv)
	if !watched {
		return nil, 0
	}
	// A successor inherits this process's environment and is watched as well.
	os.Unsetenv("WATCHDOG_PID")
	return func() { c.systemd.Alive() }, interval / beatsPerInterval
}

// margin is what the master needs in addition to the time of its workers.
const margin = 15 * time.Second

// The longest times that parts of the app's life may take.
func startTime(app config.App) time.Duration { return app.ReadyTimeout + margin }
func stopTime(app config.App) time.Duration  { return app.DrainTimeout + app.StopGrace + margin }
func stepTime(app config.App) time.Duration  { return startTime(app) + app.Canary + stopTime(app) }
