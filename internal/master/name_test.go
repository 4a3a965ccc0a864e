package master

import (
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/succession"
)

// TestNameOfDead: a successor that the previous master had just started outlives it for a moment, with
// its lock and its control socket. The next master waits for the end of it; one that does not follow
// a dead master is refused at once.
func TestNameOfDead(t *testing.T) {
	dir, err := os.MkdirTemp("", "name")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	places := config.Places{Runtime: dir}
	lock, err := control.Acquire(places.Lock("web"))
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", places.ControlSocket("web"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	go func() {
		for conn, err := socket.Accept(); err == nil; conn, err = socket.Accept() {
			conn.Close()
		}
	}()
	m := &maker{core: &core{log: slog.New(slog.DiscardHandler), opts: Options{
		App: config.App{Name: "web"}, Places: places, Arrival: &succession.Arrival{Way: succession.Store}}}}
	if err := m.takeName(); control.ExitCode(err) != control.ExitBusy {
		t.Errorf("a second master: %v", err)
	}
	ended := time.AfterFunc(100*time.Millisecond, func() { lock.Unlock() })
	defer ended.Stop()
	if err := m.takeNameOfDead(); err != nil {
		t.Errorf("after a dead master: %v", err)
	}
}
