package serve

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"relevo/internal/ipc"
	"relevo/internal/workertest"
	"relevo/worker"
)

func spec(dir string, generation int) workertest.Spec {
	env := []string{envRun + "=" + dir, "GORACE=atexit_sleep_ms=0"}
	if place := os.Getenv(envCover); place != "" {
		env = append(env, envCover+"="+place)
	}
	return workertest.Spec{Command: []string{os.Args[0]}, Env: env, Generation: generation}
}

func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: tooLong}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func whoami(t *testing.T, addr string) (a answer) {
	t.Helper()
	status, body := fetch(t, "http://"+addr+"/whoami")
	if err := json.Unmarshal([]byte(body), &a); err != nil || status != 200 {
		t.Fatalf("%d %v\n%s", status, err, body)
	}
	return a
}

// A worker process says where it belongs and passes on what the master tells.
func TestWorkerShowsItself(t *testing.T) {
	t.Parallel()
	m := workertest.NewMaster(t)
	w := m.Start(spec("live", 7)).WaitReady()
	a := whoami(t, m.Addr)
	if !a.Managed || a.Name != "test" || a.Slot != 0 || a.Worker != "w1" || a.PID != w.PID || a.Generation != 7 ||
		len(a.Pool) != 0 {
		t.Errorf("%+v", a)
	}
	peers := []ipc.Peer{{Slot: 0, ID: "w1", PID: w.PID, Generation: 7, State: "serving"}}
	w.Send(ipc.State{Generation: 7, Workers: peers})
	for late := time.After(tooLong); len(a.Pool) == 0; a = whoami(t, m.Addr) {
		select {
		case <-late:
			t.Fatalf("the announcement does not arrive: %+v", a)
		default:
		}
	}
	if a.Pool[0] != worker.Peer(peers[0]) {
		t.Errorf("%+v", a)
	}
	if text := statusOf(t, w); text != "serves the live page" {
		t.Errorf("the status is %q", text)
	}
	w.Signal(syscall.SIGTERM)
	if err := w.Wait(); err != nil || w.Output() != "" {
		t.Errorf("%v\n%s", err, w.Output())
	}
}

func statusOf(t *testing.T, w *workertest.Worker) string {
	t.Helper()
	for late := time.After(tooLong); ; {
		select {
		case msg := <-w.Messages:
			if s, ok := msg.(ipc.Status); ok {
				return s.Text
			}
		case <-late:
			t.Fatal("the worker tells no status")
		}
	}
}

// Rolls under load lose nothing, with files and with the page.
func TestRollLosesNothing(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"index.html": strings.Repeat("static ", 3000), "f": "x"})
	for _, c := range []struct {
		dir, path string
		keep      bool
	}{{dir, "/", false}, {dir, "/", true}, {"live", "/whoami", false}, {"live", "/whoami?fresh", true},
		{dir, "/f", true}} {
		m := workertest.NewMaster(t)
		old := m.Start(spec(c.dir, 1)).WaitReady()
		load := workertest.Load{Addr: m.Addr, Path: c.path, Keep: c.keep, Clients: 4}.Start()
		for generation := 2; generation < 5; generation++ {
			next := m.Start(spec(c.dir, generation)).WaitReady()
			served := load.Count()
			old.Send(ipc.Drain{DeadlineMS: tooLong.Milliseconds()})
			if err := old.Wait(); err != nil {
				t.Errorf("generation %d: %v\n%s", generation-1, err, old.Output())
			}
			for load.Count() == served {
				whoamiOrFile(t, m.Addr, c.path)
			}
			old = next
		}
		r := load.Stop()
		t.Logf("%s keep=%v: %v", c.path, c.keep, r)
		if r.LostSum() > 0 || r.OK == 0 {
			t.Errorf("%s keep=%v: %v", c.path, c.keep, r)
		}
	}
}

func whoamiOrFile(t *testing.T, addr, path string) {
	t.Helper()
	if status, body := fetch(t, "http://"+addr+path); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}

// A symbolic link that moves is taken up by the next generation, not by half of one.
func TestGenerationKeepsItsDirectory(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"r1/f": "one", "r2/f": "two", "current": "-> r1"})
	m := workertest.NewMaster(t)
	old := m.Start(spec(dir+"/current", 1)).WaitReady()
	os.Remove(dir + "/current")
	if err := os.Symlink("r2", dir+"/current"); err != nil {
		t.Fatal(err)
	}
	if _, body := fetch(t, "http://"+m.Addr+"/f"); body != "one" {
		t.Errorf("the running generation serves %q", body)
	}
	m.Start(spec(dir+"/current", 2)).WaitReady()
	old.Signal(syscall.SIGTERM)
	if err := old.Wait(); err != nil {
		t.Error(err)
	}
	if _, body := fetch(t, "http://"+m.Addr+"/f"); body != "two" {
		t.Errorf("the next generation serves %q", body)
	}
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	m := workertest.NewMaster(t)
	w := m.Start(spec("/no/such/directory", 1))
	err := w.Wait()
	if err == nil || w.Output() != "cannot serve /no/such/directory: no such file or directory; "+
		"name an existing directory, or none for the live page\n" {
		t.Errorf("%v\n%s", err, w.Output())
	}
}

// With a master the worker serves all of its listeners, whatever their kind.
func TestAllListeners(t *testing.T) {
	t.Parallel()
	web := workertest.NewMaster(t).Listener
	sock := filepath.Join(t.TempDir(), "s")
	admin, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	cmd.ExtraFiles = []*os.File{workertest.Dup(t, web), workertest.Dup(t, admin.(*net.UnixListener))}
	cmd.Env = []string{envRun + "=live", "LISTEN_FDS=2", "LISTEN_FDNAMES=web:admin", ipc.EnvWorker + "=w1",
		ipc.EnvSlot + "=3", ipc.EnvGeneration + "=1"}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, f := range cmd.ExtraFiles {
		f.Close()
	}
	if a := whoami(t, web.Addr().String()); a.Slot != 3 {
		t.Errorf("%+v", a)
	}
	client := http.Client{Timeout: tooLong, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", sock) }}}
	resp, err := client.Get("http://unix/whoami")
	if err != nil {
		t.Error(err)
	} else {
		resp.Body.Close()
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestListenerThatIsNoStream(t *testing.T) {
	t.Parallel()
	m := workertest.NewMaster(t)
	s := spec("live", 1)
	s.Env = append(s.Env, "LISTEN_FDNAMES=web:dns")
	w := m.Start(s)
	if err := w.Wait(); err == nil ||
		!strings.Contains(w.Output(), "the built-in worker serves every listener, and streams only") {
		t.Errorf("%v\n%s", err, w.Output())
	}
}

// Without a master it opens the address that it is told.
func TestRunAlone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, Options{Address: "127.0.0.1:0"}); err != nil {
		t.Error(err)
	}
	if err := Run(ctx, Options{Address: "256.0.0.1:0"}); err == nil {
		t.Error("it listens on no address")
	}
}
