package sleeper

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/pool"
	"relevo/pool/machine"
	"relevo/upgrader/listeners"
)

// tooLong is for what ends soon, also on a busy machine.
const tooLong = 2 * time.Minute

// enough is the number of looks after which a pool without clients has been put to sleep.
const enough = 10

// soon is the time without clients in these tests.
const soon = 100 * time.Millisecond

// rig is a sleeper beside a pool whose only worker is a process without sockets, and real listeners.
type rig struct {
	t *testing.T
	*Sleeper
	listeners *listeners.Set

	mu      sync.Mutex
	app     config.App
	fixed   bool
	changed chan struct{}
	status  pool.Status
	warning string
	looks   int
	slept   chan string // reasons; also of what the pool has refused
	woken   chan string
	refuses error
}

func newRig(t *testing.T, listen ...string) *rig {
	t.Helper()
	r := &rig{t: t, app: config.Default(), changed: make(chan struct{}), slept: make(chan string, 100),
		woken: make(chan string, 100), listeners: listeners.New(listeners.Options{})}
	t.Cleanup(func() { r.listeners.Close() })
	for _, text := range listen {
		l, err := config.ParseListen(text)
		if err != nil {
			t.Fatal(err)
		}
		r.app.Listen = append(r.app.Listen, l)
	}
	if err := r.listeners.Apply(r.app.Listen); err != nil {
		t.Fatal(err)
	}
	r.app.Workers, r.app.MostWorkers, r.app.Idle = 0, 4, soon
	r.awake()
	r.Sleeper = New(Options{
		Log:     slog.New(slog.DiscardHandler),
		App:     func() config.App { r.mu.Lock(); defer r.mu.Unlock(); return r.app },
		Changed: func() <-chan struct{} { r.mu.Lock(); defer r.mu.Unlock(); return r.changed },
		Pool:    func() Pool { return r }, Listeners: func() Listeners { return r.listeners },
		Fixed: func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.fixed },
		Asked: func() time.Duration { return time.Hour },
		Warn:  func(text string) { r.mu.Lock(); defer r.mu.Unlock(); r.warning = text },
	})
	return r
}

// run runs the sleeper until the end of the test.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan struct{})
	go func() { r.Run(ctx); close(ended) }()
	r.t.Cleanup(func() { cancel(); <-ended })
}

// change changes what the sleeper asks for, and tells it.
func (r *rig) change(how func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	how()
	close(r.changed)
	r.changed = make(chan struct{})
}

// awake makes a pool of one worker, a process without sockets.
func (r *rig) awake() {
	r.status = pool.Status{State: string(machine.Running), Slots: 1,
		Workers: []pool.Worker{{ID: "1", PID: 1 << 30, State: string(machine.Serving)}}}
}

func (r *rig) Status() (pool.Status, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks++
	status := r.status
	status.Workers = slices.Clone(r.status.Workers)
	return status, nil
}

// lookedAt is how often the pool was.
func (r *rig) lookedAt() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.looks
}

func (r *rig) Sleep(reason string) error {
	r.mu.Lock()
	refuses := r.refuses
	r.mu.Unlock()
	if refuses == nil {
		r.change(func() { r.status = pool.Status{State: "asleep", Asleep: time.Now()} })
	}
	r.slept <- reason
	return refuses
}

func (r *rig) Wake(_ int, reason string) error {
	r.change(r.awake)
	r.woken <- reason
	return nil
}

// await returns what comes first.
func (r *rig) await(from <-chan string) string {
	r.t.Helper()
	select {
	case text := <-from:
		return text
	case <-time.After(tooLong):
		r.t.Fatal("nothing happens")
	}
	return ""
}

// TestSleepsAndWakes: without clients the pool sleeps, whatever its sockets are; a client wakes it,
// and waits at its socket.
func TestSleepsAndWakes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	sockets := map[string]string{"tcp": "127.0.0.1:0", "udp": "udp:127.0.0.1:0", "unix": "unix:" + path}
	for network, listen := range sockets {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, listen)
			r.run()
			for range 2 {
				if reason := r.await(r.slept); !strings.HasPrefix(reason, "no client for") {
					t.Errorf("it sleeps because %q", reason)
				}
				if len(r.woken) > 0 {
					t.Fatal("it wakes by itself")
				}
				client, err := net.Dial(network, r.listeners.Listeners()[0].Address)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := client.Write([]byte("x")); err != nil {
					t.Fatal(err)
				}
				if reason := r.await(r.woken); reason != "a client came" {
					t.Errorf("it wakes because %q", reason)
				}
				client.Close()
				take(t, r.listeners.Listeners()[0])
			}
		})
	}
}

// take takes what waits, as a worker would.
func take(t *testing.T, l *listeners.Listener) {
	t.Helper()
	if l.Datagram() {
		conn, err := net.FilePacketConn(l.File())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, _, err := conn.ReadFrom(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		return
	}
	listener, err := net.FileListener(l.File())
	if err != nil {
		t.Fatal(err)
	}
	if local, ok := listener.(*net.UnixListener); ok {
		local.SetUnlinkOnClose(false)
	}
	defer listener.Close()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// TestInUse: a connection that was accepted keeps the pool awake, on TCP and on Unix sockets.
func TestInUse(t *testing.T) {
	t.Parallel()
	for network, listen := range map[string]string{"tcp": "127.0.0.1:0",
		"unix": "unix:" + filepath.Join(t.TempDir(), "s")} {
		r := newRig(t, listen)
		m := meter{o: r.o}
		l := r.listeners.Listeners()[0]
		look := func() int { return m.sample(time.Now(), r.status, time.Hour).Open }
		if n := look(); n != 0 {
			t.Errorf("%s: %d connections before the first", network, n)
		}
		client, err := net.Dial(network, l.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		if n := look(); n != 1 {
			t.Errorf("%s: %d connections", network, n)
		}
	}
}

// TestStaysAwake: a pool that does something, or whose number a user has set, does not sleep; when
// that is over, it does.
func TestStaysAwake(t *testing.T) {
	t.Parallel()
	load, much := 0.1, 0.6
	for name, set := range map[string]func(r *rig, on bool){
		"fixed": func(r *rig, on bool) { r.fixed = on },
		"rolling": func(r *rig, on bool) {
			if r.status.State = string(machine.Running); on {
				r.status.State = "rolling"
			}
		},
		"probation": func(r *rig, on bool) {
			if r.status.Canary = nil; on {
				r.status.Canary = &pool.Canary{}
			}
		},
		"starting": func(r *rig, on bool) {
			if r.status.Workers[0].State = string(machine.Serving); on {
				r.status.Workers[0].State = string(machine.Starting)
			}
		},
		"load": func(r *rig, on bool) {
			if r.status.Workers[0].Load = nil; on {
				r.status.Workers[0].Load = &load
			}
		},
		"measured load": func(r *rig, on bool) {
			w := &r.status.Workers[0]
			if w.Load, w.LoadMeasured = nil, on; on {
				w.Load = &much
			}
		},
		"other numbers": func(r *rig, on bool) {
			if r.app.Workers = 0; on {
				r.app.Workers = 1
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, "127.0.0.1:0")
			set(r, true)
			r.run()
			_, may := r.idle() // else it does not look
			for end := time.Now().Add(tooLong); may && r.lookedAt() < enough; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("it does not look")
				}
			}
			if len(r.slept) > 0 {
				t.Fatal("it sleeps")
			}
			r.change(func() { set(r, false) })
			r.await(r.slept)
		})
	}
}

// TestSleepsWithMeasuredLoad: what relevo measures in a Node worker is no word of the program that it
// has work to do.
func TestSleepsWithMeasuredLoad(t *testing.T) {
	t.Parallel()
	r := newRig(t, "127.0.0.1:0")
	load := mostly
	r.status.Workers[0].Load, r.status.Workers[0].LoadMeasured = &load, true
	r.run()
	r.await(r.slept)
}

// TestWakesWithoutClient: a pool that sleeps and may not wakes.
func TestWakesWithoutClient(t *testing.T) {
	t.Parallel()
	r := newRig(t, "127.0.0.1:0")
	r.run()
	r.await(r.slept)
	r.change(func() { r.app.Workers, r.app.MostWorkers = 2, 0 })
	if reason := r.await(r.woken); reason != "workers = 2" {
		t.Errorf("it wakes because %q", reason)
	}
}

// TestDeaf: where no client could wake it, the app does not sleep, and a warning says why.
func TestDeaf(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if why := r.deaf(r.status); !strings.Contains(why, "no listener") || !strings.Contains(why, `workers = "1..4"`) {
		t.Errorf("without a listener: %q", why)
	}
	r = newRig(t, "127.0.0.1:0")
	if why := r.deaf(r.status); why != "" {
		t.Errorf("with one: %q", why)
	}
	r.status.Workers[0].PID = listensByItself(t)
	if why := r.deaf(r.status); !strings.Contains(why, " by itself") {
		t.Errorf("with a worker's own: %q", why)
	}
	r.run()
	for {
		r.mu.Lock()
		warned := r.warning != ""
		r.mu.Unlock()
		if warned {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if len(r.slept) > 0 {
		t.Error("it sleeps")
	}
}

// listensByItself is a process with a listener of its own that uses no processor. This process
// would not do: its tests use processors, and a worker that works is not idle.
func listensByItself(t *testing.T) (pid int) {
	t.Helper()
	own, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	file, err := own.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	child := exec.Command("sleep", "3600")
	child.ExtraFiles = []*os.File{file}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { child.Process.Kill(); child.Wait() })
	return child.Process.Pid
}

// TestRefusedSleep: what the pool refuses is tried again.
func TestRefusedSleep(t *testing.T) {
	t.Parallel()
	r := newRig(t, "127.0.0.1:0")
	r.refuses = pool.ErrBusy
	r.run()
	r.await(r.slept)
	r.change(func() { r.refuses = nil })
	for r.await(r.slept); ; {
		if status, _ := r.Status(); !status.Asleep.IsZero() {
			return
		}
		r.await(r.slept)
	}
}
