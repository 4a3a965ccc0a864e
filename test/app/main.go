// Command app is the worker of the end-to-end tests. Besides serving a few pages it does what the
// end of its own file says.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cloudflare/tableflip"

	"relevo/worker"
)

// behaviourMark begins the last line of a release: VERSION BEHAVIOUR. Releases are copies of this
// program with such a line at their end, so that two of them are two files with different bytes.
const behaviourMark = "\n#behaviour "

func main() {
	version, behaviour := readBehaviour()
	switch behaviour {
	case "crash":
		fmt.Println("loading configuration")
		fmt.Fprintln(os.Stderr, "panic: cannot reach the database")
		os.Exit(3)
	case "needs-env":
		if os.Getenv("WORKS") != "yes" {
			fmt.Fprintln(os.Stderr, "panic: cannot find its settings")
			os.Exit(3)
		}
	case "never-ready":
		worker.Status("warming up, forever")
		select {}
	case "crash-slot-1":
		if os.Getenv("RELEVO_SLOT") == "1" {
			os.Exit(7)
		}
	case "crash-500ms":
		time.Sleep(500 * time.Millisecond)
		fmt.Fprintln(os.Stderr, "the queue does not answer: gives up")
		os.Exit(5)
	case "crash-on-probation":
		time.AfterFunc(200*time.Millisecond, func() { die(func() { os.Exit(4) }) })
	case "crash-after-5s":
		time.AfterFunc(5*time.Second, func() { die(func() { os.Exit(6) }) })
	case "waits", "waits-and-crashes":
		for err := error(os.ErrNotExist); err != nil; _, err = os.Stat("go") {
			time.Sleep(10 * time.Millisecond) // looks again
		}
		if behaviour != "waits" {
			fmt.Fprintln(os.Stderr, "panic: the file says nothing")
			os.Exit(3)
		}
	case "slow-start":
		time.Sleep(time.Second) // stands for a program that has much to load
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1) // before it serves a client
	go dieWhenAsked(asked)
	if err := serveApp(version, behaviour); err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}

// open is how many connections this worker has accepted and not closed.
var open struct {
	sync.Mutex
	connections int
}

func countOpen(_ net.Conn, state http.ConnState) {
	open.Lock()
	defer open.Unlock()
	switch state {
	case http.StateNew:
		open.connections++
	case http.StateClosed, http.StateHijacked:
		open.connections--
	}
}

// die reports what is lost with the worker, so that the load can distinguish it from what relevo
// lost. It keeps the lock, so that a goroutine that accepts one more connection has to wait, and
// accepts no other.
func die(how func()) {
	open.Lock()
	fmt.Fprintf(os.Stderr, "app dies with %d connections\n", open.connections)
	how()
}

// dieWhenAsked is a SIGKILL that reports what is lost.
func dieWhenAsked(asked <-chan os.Signal) {
	<-asked
	die(func() { syscall.Kill(os.Getpid(), syscall.SIGKILL) })
}

func readBehaviour() (version, behaviour string) {
	end, err := ownEnd(200)
	at := strings.LastIndex(end, behaviourMark)
	if err != nil || at < 0 {
		return "0", "none"
	}
	fields := strings.Fields(end[at+len(behaviourMark):])
	return fields[0], fields[1]
}

// ownEnd returns the last bytes of this program, even if another release has taken its path by now.
func ownEnd(n int64) (string, error) {
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		self, _ := os.Executable()
		program, err = os.Open(self)
	}
	if err != nil {
		return "", err
	}
	defer program.Close()
	if _, err := program.Seek(-n, io.SeekEnd); err != nil {
		return "", err
	}
	end, err := io.ReadAll(program)
	return string(end), err
}

func serveApp(version, behaviour string) error {
	mux := pages(version)
	if behaviour == "binds-and-pauses" {
		mux = http.NewServeMux()
		mux.HandleFunc("/", pausingPage)
	}
	if behaviour == "segv-on-request" {
		mux = http.NewServeMux()
		mux.HandleFunc("/", dieBySignal)
	}
	server := &http.Server{Handler: newWellness(behaviour, mux), ConnState: countOpen}
	if serve, ok := otherServers(version)[behaviour]; ok {
		return serve(server)
	}
	if behaviour == "flood" {
		go flood()
	}
	beginMisdeed(behaviour)
	worker.OnMessage(hear)
	return serveAll(server)
}

// otherServers are the behaviours that do not serve with package worker, or not at once.
func otherServers(version string) map[string]func(*http.Server) error {
	bind := func(server *http.Server) error { return bindAndServe(server, os.Args[1]) }
	return map[string]func(*http.Server) error{
		"serves-as-three":    serveAsThree,
		"naive":              serveNaively,
		"ignore-term":        serveForever,
		"binds":              bind,
		"binds-ill":          bind,
		"binds-and-pauses":   bind,
		"binds-unix":         func(server *http.Server) error { return bindUnixAndServe(server, os.Args[1]) },
		"binds-udp":          func(*http.Server) error { return echoUDP(version, os.Args[1]) },
		"binds-and-promises": func(server *http.Server) error { return bindAndPromise(server, version, os.Args[1]) },
		"looks-for-port": func(server *http.Server) error {
			return lookThen(func() error { return bindAndServe(server, os.Args[2]) })
		},
		"looks-and-inherits": func(server *http.Server) error { return lookThen(func() error { return serveAll(server) }) },
		"binds-and-hangs":    func(*http.Server) error { return bindAndHang(os.Args[1]) },
		"inherits-and-hangs": inheritAndHang,
		"tableflip":          serveWithTableflip,
		"other-protocols":    serveOther(true),
		"drops-websockets":   serveOther(false),
		"no-sdk":             serveInherited,
		"notify": func(server *http.Server) error {
			go notifyAndPing()
			return serveNaively(server)
		},
	}
}

func inheritAndHang(*http.Server) error {
	if _, err := inherited(); err != nil {
		return err
	}
	select {}
}

// serveAll serves every inherited stream listener.
func serveAll(server *http.Server) error {
	var listeners []net.Listener
	for name := range strings.SplitSeq(os.Getenv("LISTEN_FDNAMES"), ":") {
		listener, err := worker.Listen("tcp", name)
		if err != nil {
			return err
		}
		listeners = append(listeners, listener)
	}
	return worker.ServeListener(context.Background(), server, listeners...)
}

// inherited returns the listeners, as a program does that knows only systemd's protocol.
func inherited() (net.Listener, error) {
	return net.FileListener(os.NewFile(3, "listener"))
}

// serveNaively drains in one phase, as most Go programs do.
func serveNaively(server *http.Server) error {
	listener, err := inherited()
	if err != nil {
		return err
	}
	go server.Serve(listener)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	return server.Shutdown(context.Background())
}

// bindAndServe knows nothing of relevo: it binds its own address, reports nothing, and dies at the
// stop signal.
func bindAndServe(server *http.Server, address string) error {
	server.Addr = address
	return server.ListenAndServe()
}

// bindAndPromise says that it is ready as soon as it listens, as gunicorn does, and serves a moment
// later. Only then does release 2 find out that it cannot.
func bindAndPromise(server *http.Server, version, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("READY=1")); err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond) // its processes start
	if version == "2" {
		fmt.Fprintln(os.Stderr, "cannot load the application")
		os.Exit(3)
	}
	return server.Serve(listener)
}

// lookThen binds an address to see whether it is free, as programs do that look for a free port, and
// serves on another one.
func lookThen(serve func() error) error {
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		return err
	}
	if err := listener.Close(); err != nil {
		return err
	}
	return serve()
}

// bindAndHang opens its listener and never serves from it.
func bindAndHang(address string) error {
	if _, err := net.Listen("tcp", address); err != nil {
		return err
	}
	select {}
}

func serveForever(server *http.Server) error {
	signal.Ignore(syscall.SIGTERM)
	return serveInherited(server)
}

func serveInherited(server *http.Server) error {
	listener, err := inherited()
	if err != nil {
		return err
	}
	return server.Serve(listener)
}

func flood() {
	line := strings.Repeat("all work and no play ", 40)
	for {
		fmt.Println(line)
	}
}

// serveWithTableflip does what a program does that replaces itself with tableflip.
func serveWithTableflip(server *http.Server) error {
	flip, err := tableflip.New(tableflip.Options{})
	if err != nil {
		return err
	}
	defer flip.Stop()
	if flip.HasParent() {
		return fmt.Errorf("tableflip takes relevo for its parent")
	}
	if err := flip.Ready(); err != nil {
		return err
	}
	return serveNaively(server)
}
