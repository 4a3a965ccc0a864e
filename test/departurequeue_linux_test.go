package test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"relevo/internal/testport"
	"relevo/internal/testreq"
)

// busyFirst is a server that serves a connection for as long as requests come on it, before it
// accepts another, as Puma's threads do.
const busyFirst = `
import os, select, socket, sys
host, port = sys.argv[1].split(':')
server = socket.create_server((host, int(port)))
server.setblocking(False)
idle = set()

def serve(client):
    idle.discard(client)
    while select.select([client], [], [], 0.2)[0]:
        try:
            request = client.recv(65536)
        except BlockingIOError:
            continue
        except OSError:
            request = b''
        if not request:
            client.close()
            return
        body = b'%d' % os.getpid()
        client.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body))
    idle.add(client)

while True:
    for ready in select.select([server, *idle], [], [])[0]:
        if ready is server:
            client = server.accept()[0]
            client.setblocking(False)
            serve(client)
        elif ready in idle:
            serve(ready)
`

// TestDepartureBesideQueue: clients wait in the queue of a worker that leaves, and busy connections
// keep the worker from accepting them. The busy connections move to other workers, and all clients
// are served before the drain timeout.
func TestDepartureBesideQueue(t *testing.T) {
	takesLong(t)
	testreq.Program(t, "python3")
	t.Parallel()
	s := emptySite(t)
	s.must(os.WriteFile(s.at("app.py"), []byte(busyFirst), 0o644))
	address := testport.Address(t)
	s.start("run", "--name", "site", "-n", "2", "--canary", "0", "--watch-binary=false", "--drain-timeout", "60s", "--",
		"python3", "app.py", address)
	s.settled(2)
	// A worker that listens late would get no client of the crowd.
	listening := map[string]bool{}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: tooLong}
	s.await("both workers to listen", func() bool {
		if answer, err := client.Get("http://" + address); err == nil {
			pid, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			listening[string(pid)] = true
		}
		return len(listening) == 2
	})
	crowd := &crowd{t: t, address: address, served: map[string]int{}, open: map[net.Conn]bool{}}
	for range 16 {
		crowd.all.Go(crowd.ask)
	}
	defer crowd.end()
	s.await("both workers to be busy", func() bool { return crowd.servers() == 2 })
	if code, said := s.relevo("reload", "--force", "site"); code != 0 {
		t.Fatalf("reload: %d %s", code, said)
	}
	s.await("the old workers to be gone", func() bool { return leaving(s.status()) == 0 })
	if strings.Contains(s.log.String(), "drain timeout") {
		t.Error("an old worker stayed until the drain timeout")
	}
}

// crowd are clients that keep their connections and never pause.
type crowd struct {
	t       *testing.T
	address string
	all     sync.WaitGroup

	mu     sync.Mutex
	served map[string]int // the number of answers by worker
	open   map[net.Conn]bool
	ended  bool
}

func (c *crowd) servers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.served)
}

// end closes the connections, including those that still wait.
func (c *crowd) end() {
	c.mu.Lock()
	c.ended = true
	for conn := range c.open {
		conn.Close()
	}
	c.mu.Unlock()
	c.all.Wait()
}

func (c *crowd) isEnd() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

func (c *crowd) ask() {
	for !c.isEnd() {
		conn, err := net.Dial("tcp", c.address)
		if err == nil {
			c.mu.Lock()
			c.open[conn] = !c.ended
			c.mu.Unlock()
			err = c.keep(conn)
			conn.Close()
		}
		if err != nil && !c.isEnd() {
			c.t.Errorf("a request was lost: %v", err)
			return
		}
	}
}

// keep sends requests until an answer says that it is the last one.
func (c *crowd) keep(conn net.Conn) error {
	in := bufio.NewReader(conn)
	for {
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: site\r\n\r\n"); err != nil {
			return err
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.served[string(body)]++
		c.mu.Unlock()
		if answer.Close || c.isEnd() {
			return nil
		}
	}
}
