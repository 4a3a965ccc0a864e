package footprint_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"relevo/internal/footprint"
)

// connected has a client connect to a listener, and the listener accept it.
func connected(t *testing.T, listener net.Listener, accept bool) {
	t.Helper()
	client, err := net.Dial(listener.Addr().Network(), listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if !accept {
		return
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// TestOf: of this process, which is the server and the client of its connections: the
// server's ends count that were accepted.
func TestOf(t *testing.T) {
	before := footprint.Of([]int{os.Getpid()})[os.Getpid()]
	if before.Memory < 1<<20 || !before.Connected || before.Connections != 0 {
		t.Errorf("at first: %+v", before)
	}
	tcp, local := listen(t, "tcp", "127.0.0.1:0"), listen(t, "unix", filepath.Join(t.TempDir(), "s"))
	connected(t, tcp, true)
	connected(t, tcp, true)
	connected(t, local, true)
	connected(t, tcp, false)
	connected(t, local, false)
	after := footprint.Of([]int{os.Getpid()})[os.Getpid()]
	for after.CPU <= before.CPU { // each look takes some time on a processor
		after = footprint.Of([]int{os.Getpid()})[os.Getpid()]
	}
	if after.Connections != 3 {
		t.Errorf("%d connections of 3", after.Connections)
	}
}

// TestFamily: what children use counts; a process that has ended is left out.
func TestFamily(t *testing.T) {
	own := footprint.Of([]int{os.Getpid()})[os.Getpid()]
	child := exec.Command("sh", "-c", "echo up; read line")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pids := []int{os.Getpid(), child.Process.Pid}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	both := footprint.Of(pids)
	family, alone := both[pids[0]], both[pids[1]]
	if alone.Memory == 0 || alone.Connections != 0 || family.CPU < own.CPU+alone.CPU {
		t.Errorf("this process uses %+v with its child, which uses %+v", family, alone)
	}
	in.Close()
	child.Wait()
	if left := footprint.Of(pids); len(left) != 1 {
		t.Errorf("%+v of %v, of which the second has ended", left, pids)
	}
}
