package launch

import (
	"os"
	"testing"
	"time"

	"relevo/internal/capture"
	"relevo/internal/ipc"
	"relevo/internal/nodecluster"
	"relevo/pool"
)

// TestOpenedWhileThePoolAsks: the pool asks a worker for its legacy in the moment in which
// the worker's server opens a socket. Neither may wait for the other.
func TestOpenedWhileThePoolAsks(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	told := make(chan string, 1)
	p := &Process{pid: os.Getpid(), release: &Release{launcher: &Launcher{}}, binder: newBinder(oneSocket{file: file})}
	p.primary = nodecluster.New(p.clusterOptions())
	p.sink = func(r pool.Report) { // the pool's loop is at work and takes this after it
		p.clusterLegacy()
		told <- r.(pool.Captured).Address
	}
	const query = `{"cmd":"NODE_CLUSTER","act":"queryServer","index":0,"data":null,"address":"127.0.0.1","port":80,"addressType":4,"backlog":0,"seq":1}`
	go p.saidByNode(ipc.App{Data: []byte(query)})
	select {
	case address := <-told:
		if address != oneAddress {
			t.Errorf("the pool is told of %q", address)
		}
	case <-time.After(time.Minute):
		t.Fatal("the worker waits for the pool, and the pool for the worker")
	}
}

const oneAddress = "127.0.0.1:80"

// oneSocket answers every bind with one socket.
type oneSocket struct {
	Sockets
	file *os.File
}

func (s oneSocket) Bind(pool.Order, capture.Bind) Grant {
	return Grant{Answer: capture.Answer{FD: -1}, Address: oneAddress, Socket: s.file}
}
