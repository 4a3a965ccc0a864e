package control_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/control"
	"relevo/internal/testleft"
	"relevo/internal/testreq"
)

func TestSocket(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	path := place(t)
	s, err := control.Listen(path, newMaster(), discard())
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "mode", info.Mode(), fs.ModeSocket|0o600)
	served := make(chan error)
	go func() { served <- s.Serve() }()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	wantEqual(t, "Serve", <-served, nil)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket after Close: %v", err)
	}
}

// The socket is at no moment open to others, whatever the umask.
func TestSocketFromTheFirst(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	path := place(t)
	var seen atomic.Uint32 // all mode bits that ever were
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		var stat unix.Stat_t
		for {
			select {
			case <-stop:
				return
			default:
				if unix.Lstat(path, &stat) == nil {
					seen.Or(stat.Mode & 0o777)
				}
			}
		}
	}()
	for range 500 {
		s, err := control.Listen(path, newMaster(), discard())
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	close(stop)
	<-stopped
	wantEqual(t, "mode bits seen", fs.FileMode(seen.Load()), fs.FileMode(0o600))
}

// A server that never served leaves nothing either.
func TestCloseBeforeServe(t *testing.T) {
	path := place(t)
	before := len(testleft.OpenFiles())
	s, err := control.Listen(path, newMaster(), discard())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket after Close: %v", err)
	}
	wantEqual(t, "open files", len(testleft.OpenFiles()), before)
}

func TestListenFails(t *testing.T) {
	deep := filepath.Join(filepath.Dir(place(t)), strings.Repeat("x", 108))
	full := place(t)
	if err := os.MkdirAll(filepath.Join(full, "something"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		deep:              "cannot open the control socket " + deep + ": the path has ",
		"/nowhere/at/all": "cannot open the control socket: ",
		full:              "cannot replace the control socket: ",
	} {
		s, err := control.Listen(path, newMaster(), discard())
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestNotRunning(t *testing.T) {
	path := place(t)
	_, err := control.Connect(t.Context(), path)
	wantEqual(t, "no socket", []any{err, control.ExitCode(err)},
		[]any{fmt.Sprintf("cannot reach %q: not running (no socket at %s)", "web", path), control.ExitNotRunning})

	stale(t, path)
	_, err = control.Connect(t.Context(), path)
	wantEqual(t, "stale socket", []any{err, control.ExitCode(err)},
		[]any{fmt.Sprintf("cannot reach %q: not running (its master died; the socket at %s is stale)", "web", path),
			control.ExitNotRunning})

	// The next master takes its place.
	s, err := control.Listen(path, newMaster(), discard())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err = control.Connect(t.Context(), path); err != nil {
		t.Error(err)
	}
}

// stale leaves a socket that nobody listens on.
func stale(t *testing.T, path string) {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
}

func TestConnectPathTooLong(t *testing.T) {
	_, err := control.Connect(t.Context(), "/tmp/"+strings.Repeat("x", 120)+".sock")
	if err == nil || !strings.Contains(err.Error(), "a Unix socket's may have at most 107") {
		t.Error(err)
	}
}

// A server that goes away between the connection and the request.
func TestConnectionLost(t *testing.T) {
	path := place(t)
	s, err := control.Listen(path, newMaster(), discard())
	if err != nil {
		t.Fatal(err)
	}
	client, err := control.Connect(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, err = client.Status(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), `cannot ask "web" to status: `) || !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	dir := filepath.Dir(place(t))
	names, err := control.Names(dir)
	wantEqual(t, "none", []any{names, err}, []any{[]string{}, nil})
	for _, name := range []string{"web.sock", "api.sock", "api.lock", "web.notify"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names, err = control.Names(dir)
	wantEqual(t, "two", []any{names, err}, []any{[]string{"api", "web"}, nil})
}

// Another user does not get through: neither by the socket's mode, nor where
// somebody has opened that by mistake.
func TestOtherUser(t *testing.T) {
	testreq.Root(t)
	m := newMaster()
	path, _ := serve(t, m)
	dir := filepath.Dir(path)
	ask := func() string { return spawn(t, "ask", path).line() }
	denied := fmt.Sprintf("4 cannot reach %q: permission denied on %s; it belongs to another user", "web", path)
	wantEqual(t, "closed directory", ask(), denied)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "closed socket", ask(), denied)
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "open socket", ask(), fmt.Sprintf("4 cannot control this master as user %d: it belongs to user %d",
		nobody, os.Geteuid()))
	wantEqual(t, "asked of the master", m.asks(), "")
}

// The refusal is a 403 for each and every path.
func TestOtherUserOnTheWire(t *testing.T) {
	testreq.Root(t)
	m := newMaster()
	path, _ := serve(t, m)
	for _, p := range []string{filepath.Dir(path), path} {
		if err := os.Chmod(p, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	// The kernel notes the user at connect(2), by thread: only this one changes.
	dial := func(context.Context, string, string) (net.Conn, error) { return dialAs(nobody, path) }
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true}
	for _, url := range []string{"status", "events", "nothing"} {
		response, err := transport.RoundTrip(httpGet(t, url))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		wantEqual(t, url, response.StatusCode, http.StatusForbidden)
	}
	wantEqual(t, "asked of the master", m.asks(), "")
}

func httpGet(t *testing.T, url string) *http.Request {
	t.Helper()
	request, err := http.NewRequest("GET", "http://relevo/v1/"+url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// Descriptors of clients are refused where the kernel can do that: an unread one would
// hold up the end of the server.
func TestServerRefusesDescriptors(t *testing.T) {
	path, _ := serve(t, newMaster())
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const soPassRights = 83
	var known, sent error
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		_, known = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, soPassRights)
		sent = unix.Sendmsg(int(fd), []byte("GET "), unix.UnixRights(0), nil, 0)
	})
	if known == nil && !errors.Is(sent, unix.EPERM) {
		t.Errorf("a descriptor was sent: %v", sent)
	}
}
