package test

import (
	"io"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// signals sends a signal to processes, which are given by their pids inside the box.
func (s *unitSite) signals(name string, pids []int) {
	s.t.Helper()
	args := []string{"-" + name}
	for _, pid := range pids {
		args = append(args, strconv.Itoa(pid))
	}
	if out, err := s.Command("kill", args...).CombinedOutput(); err != nil {
		s.t.Fatalf("kill %v: %v: %s", args, err, out)
	}
}

// stored returns how many files systemd keeps.
func (s *unitSite) stored() int {
	s.t.Helper()
	n, err := strconv.Atoi(s.Show("web.service", "NFileDescriptorStore"))
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// TestNodeHandoverMasterKilled: the master is killed when the worker of a connection is gone and no
// other worker has taken it: the client has sent no request yet, or the worker to which the
// connection was sent is stopped. The client notices nothing.
func TestNodeHandoverMasterKilled(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := nodeUnit(t, crossedApp, "workers = 2\ndrain_timeout = \"10s\"\n")
	s.Systemctl("start", "web.service")
	s.settled(2)
	all := keptClients(t, 12, "127.0.0.", s.address)
	askOnce(t, all)
	s.must("reload", "web")
	s.Await("the old workers to be gone", func() bool { return len(s.Processes("web.service")) == 3 })
	s.murder() // all connections wait for their next request
	now := s.settled(2)
	askOnce(t, all[:4])
	s.signals("STOP", now)
	stored := s.stored()
	for _, c := range all[4:6] { // one for each worker: sent, but not taken
		if _, err := io.WriteString(c.conn, request); err != nil {
			t.Fatal(err)
		}
	}
	s.Await("the connections to be sent", func() bool { return s.stored() == stored-2 })
	s.murder()
	s.signals("CONT", now)
	for _, c := range all[4:6] {
		if err := c.answer(); err != nil {
			t.Errorf("%s: %v", c.conn.LocalAddr(), err)
		}
	}
	askOnce(t, all)
	s.settled(2)
	s.Systemctl("stop", "web.service")
}

const request = "GET /address HTTP/1.1\r\nHost: site\r\n\r\n"

// TestNodeDepartureMasterKilled: the master is killed while a leaving worker still uses some
// connections, and requests on the others are kept from it. They still reach it, or another worker.
func TestNodeDepartureMasterKilled(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := nodeUnit(t, strings.Replace(crossedApp, "setTimeout(",
		"request.url === '/stream' ? response.write('begun\\n') : setTimeout(", 1), "workers = 2\ndrain_timeout = \"10m\"\n")
	s.Systemctl("start", "web.service")
	s.settled(2)
	all := keptClients(t, 16, "127.0.0.", s.address)
	streams, all := all[:8], all[8:] // almost certainly at both workers
	askOnce(t, all)
	for _, c := range streams {
		if _, err := io.WriteString(c.conn, "GET /stream HTTP/1.1\r\nHost: site\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	s.must("reload", "web")
	for range 3 {
		// The killed master has no time to hand over the connections that it keeps back.
		if err := syscall.Kill(s.mainProcess(), syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if _, err := io.WriteString(c.conn, request); err != nil {
				t.Fatal(err)
			}
		}
		s.murder()
		for _, c := range all {
			if err := c.answer(); err != nil {
				t.Errorf("%s: %v", c.conn.LocalAddr(), err)
			}
		}
	}
	for _, c := range streams {
		c.conn.Close()
	}
	s.settled(2)
	askOnce(t, all)
	s.Await("the old workers to be gone", func() bool { return len(s.Processes("web.service")) == 3 })
	s.Systemctl("stop", "web.service")
}
