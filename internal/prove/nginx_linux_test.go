package prove

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"relevo/internal/testport"
	"relevo/internal/testreq"
)

// TestNginxReload: for a real nginx that reloads under load, the report agrees with nginx's log:
// each logged request was sent, and each request that counts as answered is logged.
func TestNginxReload(t *testing.T) {
	t.Parallel()
	n := startNginx(t, "")
	r := n.reloaded(Options{})
	if r.During.Done < 3 || r.During.Failed != 0 || r.Fresh.Lost.Total() != 0 {
		t.Fatalf("%+v, fresh lost %s", r.During, r.Fresh.Lost)
	}
	if logged := n.logged(); logged < r.Total.OK || logged > r.Total.Sent {
		t.Errorf("nginx has logged %d, the report has %d sent, %d ok, lost %s", logged, r.Total.Sent, r.Total.OK,
			r.Total.Lost)
	}
}

// TestNginxReloadHTTP2: nginx ends its connections by GOAWAY. Its log has no stream that it has
// refused, and each stream in the log is answered.
func TestNginxReloadHTTP2(t *testing.T) {
	t.Parallel()
	n := startNginx(t, " http2")
	r := n.reloaded(Options{Connections: HTTP2})
	if r.During.Done < 3 || r.During.Failed != 0 || r.Lost() != 0 || r.HTTP2.Connections <= http2Connections {
		t.Fatalf("%+v, %+v, %+v", r.During, r.HTTP2, r.Samples)
	}
	if logged := n.logged(); logged != r.HTTP2.OK {
		t.Errorf("nginx has logged %d, the report has %+v", logged, r.HTTP2)
	}
}

// nginxServer is a real nginx.
type nginxServer struct {
	t         *testing.T
	program   string
	dir, file string
	port      int
	process   *exec.Cmd
}

func startNginx(t *testing.T, protocol string) *nginxServer {
	t.Helper()
	n := &nginxServer{t: t, program: testreq.Program(t, "nginx"), dir: t.TempDir(), port: testport.Free(t)}
	n.file = filepath.Join(n.dir, "nginx.conf")
	conf := fmt.Sprintf("worker_processes 2; daemon off; pid nginx.pid; error_log error.log;\n"+
		"events { worker_connections 128; }\n"+
		"http { access_log access.log; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f;\n"+
		"uwsgi_temp_path u; scgi_temp_path s; server { listen 127.0.0.1:%d%s; location / { return 200 ok; } } }\n",
		n.port, protocol)
	if err := os.WriteFile(n.file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	n.process = exec.Command(n.program, "-p", n.dir, "-c", n.file)
	if err := n.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = n.process.Process.Signal(syscall.SIGTERM)
		_ = n.process.Wait()
	})
	return n
}

// reloaded loads nginx while it reloads three times.
func (n *nginxServer) reloaded(o Options) Report {
	n.t.Helper()
	o.URL = fmt.Sprintf("http://127.0.0.1:%d/", n.port)
	o.Clients, o.Pause, o.Times, o.Every, o.MinRequests = 2, time.Millisecond, 3, 300*time.Millisecond, 100
	o.Command = "nginx -s reload"
	o.During = func(ctx context.Context) error {
		return exec.CommandContext(ctx, n.program, "-p", n.dir, "-c", n.file, "-s", "reload").Run()
	}
	if o.Connections == HTTP2 {
		o.Clients = 8
	}
	r, err := Run(n.t.Context(), o)
	for began := time.Now(); err != nil && time.Since(began) < tooLong; { // until it listens
		r, err = Run(n.t.Context(), o)
	}
	if err != nil {
		n.t.Fatal(err)
	}
	return r
}

// logged ends nginx, and counts the requests of the load in its log.
func (n *nginxServer) logged() int64 {
	_ = n.process.Process.Signal(syscall.SIGQUIT) // old workers write their log to the end
	_ = n.process.Wait()
	text, err := os.ReadFile(filepath.Join(n.dir, "access.log"))
	if err != nil {
		n.t.Fatal(err)
	}
	return int64(bytes.Count(text, []byte(`" 200 `))) - 1 // without the first request
}
