package launch

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/pool"
)

func nonblocking(t *testing.T, file *os.File) bool {
	t.Helper()
	raw, err := file.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var flags int
	raw.Control(func(fd uintptr) { flags, err = unix.FcntlInt(fd, unix.F_GETFL, 0) })
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.O_NONBLOCK != 0
}

// backlog is the length of a socket's accept queue (sk_max_ack_backlog, which
// tcp_info shows as tcpi_sacked where the socket listens).
func backlog(t *testing.T, file *os.File) int {
	t.Helper()
	info, err := unix.GetsockoptTCPInfo(int(file.Fd()), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sacked)
}

// TestListenersStayNonBlocking: the mode belongs to the socket that all workers share, so no start
// may change it.
func TestListenersStayNonBlocking(t *testing.T) {
	t.Parallel()
	r := newRig(t, "web", "admin")
	release := r.prepare(Command{App: "app", Args: []string{"sleep", "60"}})
	for i := range 3 {
		expect[pool.Online](r.startOf(release, pool.Order{ID: fmt.Sprint(i)}))
		for _, l := range r.listeners {
			if !nonblocking(t, l.File) {
				t.Fatalf("listener %s is blocking after start %d", l.Name, i)
			}
		}
	}
}

// TestTrapOfFile shows why Listener requires a File of its own: starting a process with the result
// of net's File method makes the socket blocking.
func TestTrapOfFile(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if !nonblocking(t, file) {
		t.Fatal("net's listener is already blocking")
	}
	r := newRigOf(t, Options{}, Listener{Name: "web", Address: ln.Addr().String(), File: file})
	expect[pool.Online](r.start(Command{App: "app", Args: []string{"sleep", "60"}}))
	if nonblocking(t, file) {
		t.Error("the trap is gone: File of a net listener may be used")
	}
}

var serves = behaves("serve", func() {
	ln, err := net.FileListener(os.NewFile(3, "web"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "served by ", os.Getpid())
	})}
	context.AfterFunc(ctx, func() { server.Shutdown(context.Background()) })
	server.Serve(ln)
})

func get(t *testing.T, address string) string {
	t.Helper()
	client := http.Client{Timeout: tooLong, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

var flipsNonblock = behaves("flip-nonblock", func() {
	if err := unix.SetNonblock(3, false); err != nil {
		fmt.Println(err)
	}
	fmt.Println("flipped")
	stay()
})

var listensOne = behaves("listen-1", func() {
	if err := unix.Listen(3, 1); err != nil {
		fmt.Println(err)
	}
	fmt.Println("listens")
	stay()
})

// TestAbuseIsSeenAndHealed: the master sees at its own file what a worker does to the shared socket.
// It can undo that there, without harm to a worker that serves.
func TestAbuseIsSeenAndHealed(t *testing.T) {
	t.Parallel()
	r := newRig(t, "web")
	listener := r.listeners[0]
	good := r.start(serves.command())
	expect[pool.Ready](good)

	bad := r.start(flipsNonblock.command())
	expect[pool.Online](bad)
	await(t, "the socket to be blocking", func() bool { return !nonblocking(t, listener.File) })
	if err := unix.SetNonblock(int(listener.File.Fd()), true); err != nil {
		t.Fatal(err)
	}
	bad.end()

	bad = r.start(listensOne.command())
	await(t, "the short accept queue", func() bool { return backlog(t, listener.File) == 1 })
	if err := unix.Listen(int(listener.File.Fd()), 128); err != nil {
		t.Fatal(err)
	}
	if got := backlog(t, listener.File); got != 128 {
		t.Errorf("the accept queue is %d long", got)
	}
	bad.end()

	if !nonblocking(t, listener.File) {
		t.Error("the socket is blocking")
	}
	if got, want := get(t, listener.Address), fmt.Sprint("served by ", good.PID()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	good.Terminate()
	if exited := good.exit(); exited.Status.Code != 0 || exited.Status.Signal != 0 {
		t.Errorf("the good worker did not drain: %v", exited.Status)
	}
}

var shutsListenerDown = behaves("shutdown-listener", func() {
	if err := unix.Shutdown(3, unix.SHUT_RDWR); err != nil {
		fmt.Println(err)
	}
	fmt.Println("shut down")
	stay()
})

// TestShutdownListener: the kernel tells every process with the socket at once, and the worker that
// shut it down does not count as serving.
func TestShutdownListener(t *testing.T) {
	t.Parallel()
	r := newRig(t, "web")
	w := r.start(shutsListenerDown.command())
	file := r.listeners[0].File
	await(t, "POLLHUP", func() bool {
		poll := []unix.PollFd{{Fd: int32(file.Fd()), Events: unix.POLLIN}}
		_, err := unix.Poll(poll, 0)
		return err == nil && poll[0].Revents&unix.POLLHUP != 0
	})
	w.end()
	if saw[pool.Ready](w) {
		t.Error("the worker counts as ready")
	}
}
