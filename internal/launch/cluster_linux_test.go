package launch

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"relevo/internal/capture"
	"relevo/internal/ipc"
	"relevo/internal/nodecluster"
	"relevo/pool"
)

// TestOpenedWhileThePoolAsks: the pool asks a worker for its legacy while the worker's server opens
// a socket. Neither may wait for the other.
func TestOpenedWhileThePoolAsks(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	told := make(chan string, 1)
	p := &Process{pid: os.Getpid(), binder: newBinder(oneSocket{file: file}),
		release: &Release{launcher: &Launcher{}, command: Command{Args: []string{"node", "app.js"}}}}
	p.primary = nodecluster.New(p.clusterOptions())
	p.sink = func(r pool.Report) { // the pool's loop is busy, and takes this later
		p.clusterLegacy()
		told <- r.(pool.Captured).Address
	}
	const query = `{"cmd":"NODE_CLUSTER","act":"queryServer","index":0,"data":null,"address":"127.0.0.1","port":80,` +
		`"addressType":4,"backlog":0,"seq":1}`
	go p.saidByNode(ipc.App{Data: []byte(query)})
	select {
	case address := <-told:
		if address != oneAddress {
			t.Errorf("the pool is told of %q", address)
		}
	case <-time.After(time.Minute):
		t.Fatal("the worker and the pool wait for each other")
	}
}

const oneAddress = "127.0.0.1:80"

// oneSocket answers every bind with the same socket.
type oneSocket struct {
	Sockets
	file *os.File
}

func (s oneSocket) Bind(pool.Order, capture.Bind) Grant {
	return Grant{Answer: capture.Answer{FD: -1}, Address: oneAddress, Socket: s.file}
}

// TestClashingServers: pairs of servers of one Node worker, and whether the second one gets
// EADDRINUSE, as from the kernel.
func TestClashingServers(t *testing.T) {
	const any80, v4of80 = `{"address":null,"port":80,"addressType":4}`, `{"address":"0.0.0.0","port":80,"addressType":4}`
	for _, pair := range []struct {
		one, other string
		clash      bool
	}{
		{any80, v4of80, true},
		{any80, `{"address":null,"port":81,"addressType":4}`, false},
		{any80, `{"address":null,"port":80,"addressType":"udp4"}`, false},
		{any80, `{"address":null,"port":-1,"addressType":-1,"fd":3}`, false},
		{v4of80, `{"address":"127.0.0.1","port":80,"addressType":4}`, true},
		{v4of80, `{"address":"::","port":80,"addressType":6,"flags":1}`, false}, // IPv6 only
		{`{"address":"127.0.0.1","port":80,"addressType":4}`, `{"address":"127.0.0.2","port":80,"addressType":4}`, false},
		{`{"address":null,"port":0,"addressType":4}`, `{"address":null,"port":0,"addressType":4}`, false},
		{`{"address":"\u0000a","port":-1,"addressType":-1}`, `{"address":"\u0000a","port":-1,"addressType":-1}`, true},
		{`{"address":"/a","port":-1,"addressType":-1}`, `{"address":"/b","port":-1,"addressType":-1}`, false},
	} {
		var one, other nodecluster.Query
		err := errors.Join(json.Unmarshal([]byte(pair.one), &one), json.Unmarshal([]byte(pair.other), &other))
		if err != nil {
			t.Fatal(err)
		}
		if got := clashing(one, other); got != pair.clash {
			t.Errorf("%s, %s: %v, want %v", pair.one, pair.other, got, pair.clash)
		}
	}
}
