package rescue

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const tooLong = 30 * time.Second

// relayed returns the client's end of a connection that a relay serves.
func relayed(t *testing.T, app http.Handler) (net.Conn, <-chan error) {
	t.Helper()
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	return relayedTo(t, func() (net.Conn, error) { return net.Dial("tcp", server.Listener.Addr().String()) })
}

func relayedTo(t *testing.T, dial func() (net.Conn, error)) (net.Conn, <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	client.SetDeadline(time.Now().Add(tooLong))
	left, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve(left, dial) }()
	return client, ended
}

var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s %s", r.Method, r.RequestURI, r.Header.Get("X-Word"), body)
})

func read(t *testing.T, from *bufio.Reader, method string) (*http.Response, string) {
	t.Helper()
	answer, err := http.ReadResponse(from, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}

// The next request is served, and the connection ends with its answer, in words and in
// deed.
func TestRelayOneRequest(t *testing.T) {
	client, _ := relayed(t, echo)
	io.WriteString(client, "POST /a?b=c%2Fd HTTP/1.1\r\nHost: app\r\nX-Word: hi\r\nContent-Length: 4\r\n\r\nbody")
	in := bufio.NewReader(client)
	answer, body := read(t, in, "POST")
	if body != "POST /a?b=c%2Fd hi body" || !answer.Close {
		t.Errorf("answer %q, close %v", body, answer.Close)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("after the answer: %v", err)
	}
}

// Requests that are there already are all answered.
func TestRelayPipelined(t *testing.T) {
	client, _ := relayed(t, echo)
	io.WriteString(client, strings.Repeat("GET /1 HTTP/1.1\r\nHost: app\r\n\r\n", 3))
	in := bufio.NewReader(client)
	for i := range 3 {
		if answer, _ := read(t, in, "GET"); answer.Close != (i == 2) {
			t.Errorf("answer %d: close %v", i, answer.Close)
		}
	}
}

func TestRelayBodies(t *testing.T) {
	for _, encoding := range []string{"Content-Length: 300000\r\n\r\n" + strings.Repeat("x", 300000),
		"Transfer-Encoding: chunked\r\n\r\n493e0\r\n" + strings.Repeat("x", 300000) + "\r\n0\r\n\r\n"} {
		client, _ := relayed(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, _ := io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, n)
		}))
		go io.WriteString(client, "PUT / HTTP/1.1\r\nHost: app\r\n"+encoding)
		if _, body := read(t, bufio.NewReader(client), "PUT"); body != "300000" {
			t.Errorf("the app got %s bytes", body)
		}
	}
}

func TestRelayHead(t *testing.T) {
	client, _ := relayed(t, echo)
	io.WriteString(client, "HEAD / HTTP/1.1\r\nHost: app\r\n\r\n")
	if answer, body := read(t, bufio.NewReader(client), "HEAD"); body != "" || answer.ContentLength < 1 {
		t.Errorf("body %q, length %d", body, answer.ContentLength)
	}
}

func TestRelayContinue(t *testing.T) {
	client, _ := relayed(t, echo)
	io.WriteString(client, "POST / HTTP/1.1\r\nHost: app\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	in := bufio.NewReader(client)
	if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("%q, %v", line, err)
	}
	in.ReadString('\n')
	io.WriteString(client, "ok")
	if _, body := read(t, in, "POST"); !strings.HasSuffix(body, "ok") {
		t.Errorf("answer %q", body)
	}
}

// A WebSocket that begins on a relayed connection lives on.
func TestRelayUpgrade(t *testing.T) {
	client, ended := relayed(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, both, err := http.NewResponseController(w).Hijack()
		if err != nil || r.Header.Get("Upgrade") != "websocket" {
			t.Errorf("%v, upgrade %q", err, r.Header.Get("Upgrade"))
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		io.Copy(conn, both)
	}))
	io.WriteString(client, "GET /ws HTTP/1.1\r\nHost: app\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
	in := bufio.NewReader(client)
	answer, err := http.ReadResponse(in, &http.Request{Method: "GET"})
	if err != nil || answer.StatusCode != 101 || answer.Header.Get("Upgrade") != "websocket" {
		t.Fatalf("%v, %v", answer, err)
	}
	io.WriteString(client, "ping")
	echoed := make([]byte, 4)
	if _, err := io.ReadFull(in, echoed); err != nil || string(echoed) != "ping" {
		t.Errorf("%q, %v", echoed, err)
	}
	client.(*net.TCPConn).CloseWrite()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// What is no HTTP/1 is closed, unread.
func TestRelayOthers(t *testing.T) {
	for _, words := range []string{"\x16\x03\x01\x02", "PRI * HTTP/2.0\r\n\r\n", "hello\n"} {
		client, ended := relayedTo(t, func() (net.Conn, error) {
			t.Errorf("%q is passed on", words)
			return nil, errors.ErrUnsupported
		})
		io.WriteString(client, words)
		if err := <-ended; !errors.Is(err, errForeign) {
			t.Errorf("%q: %v", words, err)
		}
	}
}

func TestRelayWithoutApp(t *testing.T) {
	client, ended := relayedTo(t, func() (net.Conn, error) { return nil, errors.New("refused") })
	io.WriteString(client, "GET / HTTP/1.1\r\nHost: app\r\n\r\n")
	if answer, _ := read(t, bufio.NewReader(client), "GET"); answer.StatusCode != http.StatusBadGateway {
		t.Errorf("status %d", answer.StatusCode)
	}
	client.Close()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v", err)
	}
}
