package master

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/succession"
	"relevo/pool/machine"
)

// lives are masters that follow each other in this process. Each master that takes over has a
// stand-in process of its own, because signals are passed on to it.
type lives struct {
	life
	t       *testing.T
	now     atomic.Pointer[living]
	fails   atomic.Bool         // no master can take over
	rewrite func([]byte) []byte // changes the legacy on its way; nil: it is not changed
	writing sync.Mutex          // locked while the program is written
	hides   bool                // if true, what only a first master needs is missing
	log     errorLog
}

// living is the master that has taken over.
type living struct {
	*Master
	ended chan error
}

// begin starts a master, and does not wait for anything.
func (l *lives) begin(own *peer, a *succession.Arrival) *living {
	o := l.o
	o.Arrival = a
	if app, left := a.App(); left {
		o.App = app
	}
	m := newMaster(o)
	m.succession = succession.New(succession.Options{
		Log: o.Log, Arrival: a, Estate: estate{m}, Signals: m.signals, Later: m.later.Go, Failed: func(string) {},
		Carrier: func(way succession.Way, _ string, _ *succession.Arrival) succession.Carrier {
			return inProcess{l, way, own}
		},
	})
	next := &living{m, make(chan error, 1)}
	go func() { next.ended <- m.live(context.Background()) }()
	return next
}

// newLives makes the masters of an app with a listener and one worker.
func newLives(t *testing.T, way config.Upgrade) *lives {
	t.Helper()
	l := &lives{t: t}
	l.prepare(t)
	l.o.Log = slog.New(&l.log)
	listen, err := config.ParseListen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen.Name = "listen"
	app := l.o.App
	app.Upgrade, app.Listen = way, []config.Listen{listen}
	if os.Geteuid() == 0 {
		app.Limits.User = "root"
	}
	l.o.App = app
	l.loaded.Store(&app)
	return l
}

// first starts the first master.
func (l *lives) first() {
	own := newPeer(nil)
	l.now.Store(l.begin(own, &succession.Arrival{Flip: own}))
}

// client returns a client of the master that has the control socket, as in all these tests: within
// one process only the socket orders what a master begins before the requests to it.
func (l *lives) client() *control.Client {
	l.t.Helper()
	var client *control.Client
	until(l.t, "no control socket", func() (connected bool) {
		select {
		case err := <-l.now.Load().ended:
			l.t.Fatalf("the master has ended: %v", err)
		default:
		}
		var err error
		client, err = control.Connect(l.t.Context(), l.o.Places.ControlSocket("web"))
		return err == nil
	})
	return client
}

func (l *lives) upgrade() error {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), tooLong)
	defer cancel()
	_, err := l.client().Upgrade(ctx)
	return err
}

const anyNumber = -1

// serves waits until all workers serve, nothing is in progress, and n masters have been replaced.
func (l *lives) serves(n int) control.Status {
	l.t.Helper()
	var s control.Status
	until(l.t, "not all workers serve", func() (all bool) {
		var err error
		s, err = l.client().Status(l.t.Context())
		all = err == nil && s.State == string(machine.Running) && s.Rolling == nil && len(s.Workers) == s.Slots &&
			s.Slots > 0 && (s.Successions == n || n == anyNumber)
		for _, w := range s.Workers {
			all = all && w.State == string(machine.Serving)
		}
		return all
	})
	return s
}

// end stops the last master.
func (l *lives) end() {
	l.t.Helper()
	if err := l.client().Stop(l.t.Context(), false); err != nil {
		l.t.Error(err)
	}
	select {
	case err := <-l.now.Load().ended:
		if err != nil {
			l.t.Error(err)
		}
	case <-time.After(tooLong):
		l.t.Fatal("the master does not stop")
	}
}

// succeed replaces the master this many times.
func (l *lives) succeed(times int) {
	l.t.Helper()
	for range times {
		if err := l.upgrade(); err != nil {
			l.t.Fatal(err)
		}
	}
}

// TestLives: one master follows another and keeps the workers and everything that is known. If no
// master can follow, the running one stays.
func TestLives(t *testing.T) {
	t.Parallel()
	for _, way := range []config.Upgrade{config.UpgradeTableflip, config.UpgradeExec} {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			l := newLives(t, way)
			l.works(t, "first")
			l.first()
			before := l.serves(0)
			l.fails.Store(true)
			if err := l.upgrade(); control.ExitCode(err) != control.ExitRollFailed || l.serves(0).UpgradeFailed == "" {
				t.Errorf("a carrier that fails: %v", err)
			}
			l.fails.Store(false)
			l.succeed(3)
			after := l.serves(3)
			if after.FailedUpgrades != 1 {
				t.Errorf("%d upgrades have failed, want 1", after.FailedUpgrades)
			}
			if after.Workers[0].PID != before.Workers[0].PID || !after.Started.Equal(before.Started) ||
				after.Listeners[0].Address != before.Listeners[0].Address {
				t.Errorf("before %+v, after %+v", before, after)
			}
			l.works(t, "second")
			if r, err := l.client().Reload(t.Context(), control.ReloadOptions{}); err != nil || r.Result != machine.OK {
				t.Errorf("%+v, %v", r, err)
			}
			l.end()
		})
	}
}

// TestNothingOfAColdStart: a take-over needs nothing that only a first master needs. The program,
// its directory, the configuration and the account of the workers are gone, while the workers serve
// or while the first of them still starts.
func TestNothingOfAColdStart(t *testing.T) {
	t.Parallel()
	for _, way := range []config.Upgrade{config.UpgradeTableflip, config.UpgradeExec} {
		t.Run(string(way)+", serving", func(t *testing.T) {
			t.Parallel()
			l := newLives(t, way)
			l.works(t, "first")
			l.first()
			l.serves(0)
			l.loseOrigins()
			l.succeed(2)
			worker := l.serves(2).Workers[0].PID
			if err := unix.Kill(worker, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			until(t, "no other worker", func() bool { return l.serves(2).Workers[0].PID != worker })
			l.end()
		})
		t.Run(string(way)+", starting", func(t *testing.T) {
			t.Parallel()
			l := newLives(t, way)
			open := l.starts()
			l.loseOrigins()
			l.succeed(2)
			open()
			l.serves(2)
			l.end()
		})
	}
}

// starts starts the first master, with a worker that gets ready after open is called.
func (l *lives) starts() (open func()) {
	l.t.Helper()
	gate := filepath.Join(l.t.TempDir(), "gate")
	if err := unix.Mkfifo(gate, 0o600); err != nil {
		l.t.Fatal(err)
	}
	l.write(l.t, "slow", "[ ! -p "+gate+" ] || read go < "+gate+"; exec env "+roleEnv+"=worker "+os.Args[0])
	l.first()
	var file *os.File
	until(l.t, "no worker starts", func() (reads bool) {
		var err error
		file, err = os.OpenFile(gate, os.O_WRONLY|unix.O_NONBLOCK, 0)
		return err == nil
	})
	return func() {
		defer file.Close()
		_, err := file.WriteString("go\n")
		if err := errors.Join(err, os.Remove(gate)); err != nil { // later workers do not wait
			l.t.Error(err)
		}
	}
}

// loseOrigins removes everything that a first master looks for.
func (l *lives) loseOrigins() {
	l.t.Helper()
	if err := os.RemoveAll(l.o.App.Dir); err != nil {
		l.t.Fatal(err)
	}
	l.broken.Store(true)
	l.rewrite = withoutAccount
}

// withoutAccount replaces the account of the workers with one that does not exist.
func withoutAccount(document []byte) []byte {
	return bytes.ReplaceAll(document, []byte(`"User":"root"`), []byte(`"User":"relevo-account-that-is-gone"`))
}

// TestStartOverOnTheSameSockets: what cannot be taken over is replaced, on the same sockets. After an exec that is
// the only way: no previous master is left.
func TestStartOverOnTheSameSockets(t *testing.T) {
	t.Parallel()
	l := newLives(t, config.UpgradeExec)
	l.works(t, "first")
	l.first()
	before := l.serves(0)
	l.rewrite = func(document []byte) []byte {
		return bytes.Replace(document, []byte(`"serving":`), []byte(`"serving":99`), 1)
	}
	if err := l.upgrade(); err != nil {
		t.Fatal(err)
	}
	after := l.serves(1)
	if after.Workers[0].PID == before.Workers[0].PID || after.Listeners[0].Address != before.Listeners[0].Address {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if text := strings.Join(after.Warnings, "\n"); !strings.Contains(text, "could not be taken over") {
		t.Errorf("no warning: %q", text)
	}
	gone := before.Workers[0].PID
	until(t, "the worker of before is left", func() bool { return unix.Kill(gone, 0) != nil })
	l.end()
}

// TestLegacyRefused: a successor that cannot take over leaves everything to the running master.
func TestLegacyRefused(t *testing.T) {
	t.Parallel()
	l := newLives(t, config.UpgradeTableflip)
	l.works(t, "first")
	l.first()
	before := l.serves(0)
	for of, to := range map[string]string{
		`"serving":`: `"serving":99`, `"name":"web"`: `"name":"other"`, `"pool":{`: `"pool":[],"old":{`,
	} {
		l.rewrite = func(document []byte) []byte { return bytes.Replace(document, []byte(of), []byte(to), 1) }
		if err := l.upgrade(); control.ExitCode(err) != control.ExitRollFailed {
			t.Errorf("%s: %v", to, err)
		}
	}
	if after := l.serves(0); after.Workers[0].PID != before.Workers[0].PID {
		t.Errorf("before %+v, after %+v", before, after)
	}
	l.end()
}
