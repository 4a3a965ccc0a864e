package master

import (
	"context"
	"log/slog"
	"os"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/launch"
	"relevo/internal/succession"
	"relevo/pool"
)

// Options are what a master is made of. App, Places and Log are required.
type Options struct {
	App     config.App
	Places  config.Places
	Log     *slog.Logger
	Streams launch.Streams
	Version string
	Build   control.Build
	// ConfigFile is the path of the configuration file, empty if there is none.
	ConfigFile string
	// Dir is the directory in which relevo was started, as the user entered it.
	Dir string
	// Load returns the configuration as it is now, and App at the first call; nil: App never
	// changes.
	Load func() (config.App, error)
	// Arrival is what Arrive has found; nil: this is the first master of the app, and it cannot be
	// replaced.
	Arrival *succession.Arrival
	// Signals are those of ReplacedSignals, if any.
	Signals chan os.Signal
	// Terminal says that relevo runs in the foreground of a terminal.
	Terminal bool
	// Background says that relevo start waits for the app. Then workers left behind by a killed
	// master are ended; otherwise an error names those that hold the addresses.
	Background bool
	// WorkerOOMScoreAdj is for workers whose configuration has none; nil: the master's own value.
	WorkerOOMScoreAdj *int
	// Started is called once, with the bound addresses, when the pool serves.
	Started func([]control.Listener)
	// CloseLog, if set, writes what is left of the master's log and of the workers' output, and closes
	// their files. It is called when nothing runs any more, before the name is given up, and not after
	// a successor has taken over.
	CloseLog func()
	// Worked, if set, is called after each event of the pool and each look at the status, which
	// leave garbage. It must return at once, and may be called by several goroutines.
	Worked func()
	// Attach is called before anything is started, with the master itself, whose
	// sockets are open. Its error ends the master.
	Attach func(Attached) error
	// Await, if set, is asked before the first start, and after each start that
	// failed, with its error. It returns nil when there is something to start, with
	// the sockets open all the while; its error ends the master. No other release is
	// then started in the place of the newest.
	Await func(ctx context.Context, failed error) error
}

// Attached is a master as what it is attached to sees it.
type Attached interface {
	Status() (control.Status, error)
	Reload(control.ReloadOptions) (control.Wait, error)
	Rollback(to string) (control.Wait, error)
	Subscribe() (events <-chan pool.Event, cancel func(), err error)
	Stop(force bool) error
	// Warn sets the one warning of a kind that `relevo status` shows; an empty text
	// takes it away.
	Warn(kind, text string)
	// Dropped counts the connections that the kernel has turned away at the present listeners since
	// they were opened; ok is false if the kernel does not say.
	Dropped() (n int, ok bool)
}
