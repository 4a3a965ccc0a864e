package rescue

import (
	"context"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// depart takes the stage's connection out of its holding.
func (s *stage) depart() *Connection {
	s.t.Helper()
	unix.SetNonblock(s.fd, true)
	s.await("the connection to be idle", func() bool { return s.look() && s.held() })
	all, err := s.holding.Depart()
	if err != nil || len(all) != 1 {
		s.t.Fatal(all, err)
	}
	s.t.Cleanup(func() { all[0].File.Close() })
	return all[0]
}

func (s *stage) lowest() int {
	s.t.Helper()
	n, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func TestDepart(t *testing.T) {
	s := newStage(t)
	c := s.depart()
	if c.Local.Port() != s.port || c.Client.String() != s.client.LocalAddr().String() {
		t.Errorf("from %s to %s", c.Client, c.Local)
	}
	s.holding.Cancel()
	if s.lowest() == 1 {
		t.Error("the worker gets what the client sends, although another one will have the connection")
	}
	if c.Unhold(); s.lowest() != 1 {
		t.Error("what the client sends stays in the socket")
	}
	if !s.look() || !s.holding.Given(c.Inode) {
		t.Error("the connection is taken again from the worker, which is not closed yet")
	}
}

func TestRest(t *testing.T) {
	s := newStage(t)
	unix.SetNonblock(s.fd, true)
	s.await("the connection to be idle", func() bool { return s.look() && s.held() })
	s.ask(request)
	s.await("the request to be late", func() bool { s.look(); return s.holding.Late() })
	if s.holding.Rest(); s.lowest() != 1 || s.holding.Late() {
		t.Error("a request waits still")
	}
	if n, err := unix.Read(s.fd, make([]byte, 8192)); n != len(request) {
		t.Fatal(n, err)
	}
	for range 3 {
		if s.look() || s.held() {
			t.Error("the connection is held again at once")
		}
	}
	s.holding.Insist()
	s.await("the connection to be held", func() bool { s.look(); return s.held() })
}

func TestLimit(t *testing.T) {
	s := newStage(t)
	unix.SetNonblock(s.fd, true)
	s.await("the connection to be idle", func() bool { return s.look() && s.held() })
	if s.holding.Limit(Local); len(s.holding.known) != 1 {
		t.Error("a client of this host is not local")
	}
	if s.holding.Limit(func(netip.Addr) bool { return false }); len(s.holding.known) != 0 || s.lowest() != 1 {
		t.Error("the connection is held still")
	}
}

func TestNext(t *testing.T) {
	for sent, want := range map[string]Next{
		"": Nothing, "GE": Nothing, "GET /": Nothing, "GET / HTTP/1.1\r\n": Request, "POST /a?b HTTP/1.0\nHost:": Request,
		"GET key\r\n": Foreign, "PRI * HTTP/2.0\r\n": Foreign, "\x17\x03\x03": Foreign, "\x81\x05hello": Foreign,
		"EHLO me\r\n": Foreign,
	} {
		s := newStage(t)
		c := s.depart()
		if sent != "" {
			s.ask(sent)
		}
		if got := c.Next(); got != want {
			t.Errorf("%q is %v, want %v", sent, got, want)
		}
	}
	s := newStage(t)
	c := s.depart()
	s.client.Close()
	s.await("the end", func() bool { return c.Next() == Ended })
}

// A connection waits in the room until a whole request line is there.
func TestRoom(t *testing.T) {
	s := newStage(t)
	c := s.depart()
	c.Unhold()
	room, err := NewRoom()
	if err != nil {
		t.Fatal(err)
	}
	if err := room.Add(c); err != nil {
		t.Fatal(err)
	}
	came := make(chan []*Connection, 1)
	go func() { came <- room.Await(t.Context(), time.Now().Add(tooLong)) }()
	s.ask("GET /")
	s.ask(" HTTP/1.1\r\n")
	if all := <-came; len(all) != 1 || all[0] != c || room.Len() != 0 {
		t.Errorf("%v came, %d wait still", all, room.Len())
	}
	if err := room.Add(c); err != nil { // what is there already counts, too
		t.Fatal(err)
	}
	if all := room.Await(t.Context(), time.Now().Add(tooLong)); len(all) != 1 {
		t.Errorf("%v came", all)
	}
	if err := room.Add(c); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Read(s.fd, make([]byte, 8192)); n == 0 {
		t.Fatal(n, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if all := room.Await(ended, time.Now().Add(tooLong)); len(all) != 0 {
		t.Errorf("%v came after the end", all)
	}
	if all := room.Close(); len(all) != 1 {
		t.Errorf("%v were left", all)
	}
}

func TestReturn(t *testing.T) {
	s := newStage(t)
	c := s.depart()
	holding := Take(Local, nil)
	if holding.Return(c); len(holding.known) != 1 {
		t.Fatal("the connection is lost")
	}
	if _, err := c.File.Stat(); err != os.ErrClosed && err == nil {
		t.Error("its file is open still")
	}
	holding.Cancel()
}
