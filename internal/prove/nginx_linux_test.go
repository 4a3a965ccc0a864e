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

// TestNginxReload: of a real nginx that reloads under load the report has what its log has: each
// request that it logged was sent, and each that counts as answered is logged.
func TestNginxReload(t *testing.T) {
	nginx := testreq.Program(t, "nginx")
	dir, port := t.TempDir(), testport.Free(t)
	file := filepath.Join(dir, "nginx.conf")
	conf := fmt.Sprintf("worker_processes 2; daemon off; pid nginx.pid; error_log error.log;\n"+
		"events { worker_connections 128; }\n"+
		"http { access_log access.log; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f;\n"+
		"uwsgi_temp_path u; scgi_temp_path s; server { listen 127.0.0.1:%d; location / { return 200 ok; } } }\n", port)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(nginx, "-p", dir, "-c", file)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
	}()
	o := Options{URL: fmt.Sprintf("http://127.0.0.1:%d/", port), Clients: 2, Pause: time.Millisecond, Times: 3,
		Every: 300 * time.Millisecond, MinRequests: 100, Command: "nginx -s reload",
		During: func(ctx context.Context) error {
			return exec.CommandContext(ctx, nginx, "-p", dir, "-c", file, "-s", "reload").Run()
		}}
	r, err := Run(t.Context(), o)
	for began := time.Now(); err != nil && time.Since(began) < tooLong; { // until it listens
		r, err = Run(t.Context(), o)
	}
	if err != nil || r.During.Done < 3 || r.During.Failed != 0 || r.Fresh.Lost.Total() != 0 {
		t.Fatalf("%v: %+v, fresh lost %s", err, r.During, r.Fresh.Lost)
	}
	_ = server.Process.Signal(syscall.SIGQUIT) // old workers write their log to the end
	_ = server.Wait()
	text, err := os.ReadFile(filepath.Join(dir, "access.log"))
	logged := int64(bytes.Count(text, []byte(`" 200 `))) - 1 // of the first request
	if err != nil || logged < r.Total.OK || logged > r.Total.Sent {
		t.Errorf("%v: nginx has logged %d, the report has %d sent, %d ok, lost %s", err, logged, r.Total.Sent, r.Total.OK,
			r.Total.Lost)
	}
}
