package worker

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// trackedPair returns a tracked server connection, idle in a drain that began
// long ago, and its client.
func trackedPair(t *testing.T) (*conns, net.Conn, *conn, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	set := newConns()
	server, err := newListener(ln, set, false).Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	set.note(server, http.StateNew)
	set.note(server, http.StateActive)
	set.note(server, http.StateIdle)
	set.drain(time.Now().Add(-time.Hour))
	return set, server, set.find(server), client
}

func TestEvictedWhenNothingArrives(t *testing.T) {
	set, server, _, _ := trackedPair(t)
	if n := set.sweep(time.Now(), time.Minute); n != (census{busy: 1}) {
		t.Errorf("got %+v", n)
	}
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the end", err)
	}
	server.Close()
	if n := set.sweep(time.Now(), time.Minute); n != (census{}) {
		t.Errorf("got %+v after the end", n)
	}
}

// The request arrives between the decision to close and the reader's last look.
func TestLastLookSavesARequest(t *testing.T) {
	set, server, c, client := trackedPair(t)
	set.sweep(time.Now(), time.Minute)
	if !c.evicting {
		t.Fatal("not told to go")
	}
	if _, err := io.WriteString(client, "GET"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return arrived(c.raw) })
	buf := make([]byte, 3)
	if _, err := io.ReadFull(server, buf); err != nil || string(buf) != "GET" {
		t.Fatalf("got %q, %v", buf, err)
	}
	// From here on it is a request: it has no deadline, and no sweep ends it.
	set.sweep(time.Now().Add(time.Hour), time.Minute)
	go io.WriteString(client, " /")
	if _, err := io.ReadFull(server, buf[:2]); err != nil {
		t.Fatal(err)
	}
}

// A request that was read, but that net/http has not reported yet, is seen.
func TestBytesReadCountAsARequest(t *testing.T) {
	set, server, c, client := trackedPair(t)
	if _, err := io.WriteString(client, "G"); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	set.sweep(time.Now().Add(time.Hour), time.Minute)
	if c.evicting {
		t.Error("a connection with half a request was told to go")
	}
}

func TestConnectionsInAllStates(t *testing.T) {
	set, server, c, _ := trackedPair(t)
	for state, want := range map[http.ConnState]census{
		http.StateActive:   {busy: 1},
		http.StateHijacked: {hijacked: 1},
	} {
		c.now.Store(int32(state))
		if n := set.sweep(time.Now().Add(time.Hour), time.Minute); n != want || c.evicting {
			t.Errorf("%v: got %+v", state, n)
		}
	}
	if c := set.find(tls.Server(server, nil)); c == nil {
		t.Error("TLS hides the connection")
	}
}

// A listener that yields TLS connections: net/http must see them as they are.
func TestForeignTLSIsNotWrapped(t *testing.T) {
	_, server, _, _ := trackedPair(t)
	set := newConns()
	foreign := tls.Server(bare(server), nil)
	if got := set.track(foreign); got != net.Conn(foreign) {
		t.Fatalf("got a %T", got)
	}
	set.note(foreign, http.StateNew)
	set.note(foreign, http.StateIdle)
	set.drain(time.Now().Add(-time.Hour))
	if n := set.sweep(time.Now(), time.Minute); n != (census{resting: 1}) {
		t.Errorf("got %+v", n)
	}
	set.note(foreign, http.StateClosed)
	if n := set.sweep(time.Now(), time.Minute); n != (census{}) {
		t.Errorf("got %+v after the end", n)
	}
}

// The wrapping keeps what a *net.TCPConn can do beyond net.Conn.
func TestWrapperKeepsAbilities(t *testing.T) {
	_, server, _, client := trackedPair(t)
	if _, ok := server.(io.ReaderFrom); !ok {
		t.Error("no ReadFrom: no sendfile")
	}
	if _, ok := server.(io.WriterTo); !ok {
		t.Error("no WriteTo: no splice")
	}
	if _, ok := server.(interface{ SetKeepAlive(bool) error }); !ok {
		t.Error("no SetKeepAlive")
	}
	half, ok := server.(interface{ CloseWrite() error })
	if !ok {
		t.Fatal("no CloseWrite")
	}
	if err := half.CloseWrite(); err != nil {
		t.Error(err)
	}
	if _, err := bufio.NewReader(client).ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("CloseWrite sent %v", err)
	}
}
