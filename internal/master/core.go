package master

import (
	"log/slog"
	"os"
	"sync"

	"relevo/internal/announce"
	"relevo/internal/autoscale/scaler"
	"relevo/internal/config"
	"relevo/internal/generations"
	"relevo/internal/hangup"
	"relevo/internal/health/monitor"
	"relevo/internal/keeper"
	"relevo/internal/metrics/exporter"
	"relevo/internal/reaper"
	"relevo/internal/sleep/sleeper"
	"relevo/internal/succession"
	"relevo/pool"
	"relevo/systemd"
)

// core is what all types of a master share. They use each other in one direction:
//
//	core ◄── rolls ◄─┬─ starts ◄── maker ◄─┐
//	                 ├─ requests ◄────┐    ├─ Master
//	                 └─ replacement ◄─┴─ loop
//
// rolls begins rolls and does what follows from them; requests answers the control socket;
// replacement has another master take over; starts starts the first workers; maker opens the parts
// or takes them over; loop owns the agenda and hears the signals.
type core struct {
	parts

	opts       Options
	log        *slog.Logger
	systemd    *systemd.Notifier
	reaper     *reaper.Reaper
	announcer  announce.Announcer
	health     *monitor.Monitor
	scaler     *scaler.Scaler
	sleeper    *sleeper.Sleeper
	succession *succession.Succession
	keeper     *keeper.Keeper // nil: systemd keeps nothing for this app
	metrics    exporter.Place
	owns       bool           // the app belongs to this master, which closes at its end what it has opened
	later      sync.WaitGroup // of goroutines: what the listeners report, and the control socket
	stage      stage
	signals    chan os.Signal
	terminal   *hangup.Watch // nil: there is none
}

// running is the pool.
func (c *core) running() *pool.Pool { return c.stage.is().pool }

// stopping says whether the end was asked for.
func (c *core) stopping() bool { return c.stage.is().Stopping }

func (c *core) tended() tended { return c.running() }

// serving is the generation that serves; while a roll is under way, the old one.
func (c *core) serving() *generations.Generation { return c.generations.Serving() }

// app is the configuration of the generation that serves.
func (c *core) app() config.App { return c.serving().App() }

// unready says that there is no pool with workers yet.
func (c *core) unready() bool { return c.stage.is().Waits || c.serving() == nil }

func (c *core) controlPath() string { return c.opts.Places.ControlSocket(c.opts.App.Name) }

func (c *core) report(err error) { report(c.log, err) }

func report(log *slog.Logger, err error) {
	if err != nil {
		log.Error("internal error", "err", err)
	}
}
