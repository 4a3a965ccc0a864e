package rescue

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// The time limits of a relayed connection.
const (
	idlePatience    = 2 * time.Minute  // for the next request
	headPatience    = 30 * time.Second // for the rest of a request's head
	connectPatience = 10 * time.Second
	goodbye         = 2 * time.Second // for the client to close after the answer
)

// serve serves a connection that a worker has left: the requests that have arrived already,
// or the next one. Each is passed on by a new connection of dial. The last answer says
// "Connection: close". Anything but an HTTP/1 request ends the connection.
func serve(client net.Conn, dial func() (net.Conn, error)) error {
	defer client.Close()
	client.SetReadDeadline(time.Now().Add(idlePatience))
	in := bufio.NewReaderSize(client, 64<<10)
	for {
		if begins, foreign := beginsRequest(in); foreign {
			return errForeign
		} else if !begins {
			return nil
		}
		client.SetReadDeadline(time.Now().Add(headPatience))
		more, err := relay(client, in, dial)
		if err != nil || !more {
			return err
		}
	}
}

// errForeign is returned for a connection on which something else than HTTP/1 has come.
var errForeign = errors.New("cannot relay what is not HTTP/1")

// beginsRequest waits for the first bytes of a request line. foreign says that other bytes
// came.
func beginsRequest(in *bufio.Reader) (begins, foreign bool) {
	for n := 1; n <= longestMethod+1; n++ {
		head, err := in.Peek(n)
		if err != nil {
			return false, false
		}
		if !beginsLikeRequest(head) {
			return false, true
		}
		if head[n-1] == ' ' {
			return true, false
		}
	}
	return false, true
}

// relay passes one request on, and its answer back. more says that another request has
// arrived already.
func relay(client net.Conn, in *bufio.Reader, dial func() (net.Conn, error)) (more bool, err error) {
	request, err := http.ReadRequest(in)
	if err != nil {
		return false, fmt.Errorf("cannot read a request: %w", err)
	}
	client.SetReadDeadline(time.Time{})
	last := request.Close // read it now, because forward sets it
	server, err := dial()
	if err != nil {
		io.WriteString(client, "HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		farewell(client)
		return false, fmt.Errorf("cannot reach the app: %w", err)
	}
	defer server.Close()
	sent := make(chan error, 1)
	go func() { sent <- forward(server, request) }()
	out := bufio.NewReader(server)
	answer, err := answerTo(request, out, client)
	if err != nil {
		return false, err
	}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return false, tunnel(client, in, server, out, answer)
	}
	answer.Close = !isWhole(request, sent) || in.Buffered() == 0 || last
	answer.Header.Del("Connection") // the app's was about its connection to the relay
	if answer.Close {
		answer.Header.Set("Connection", "close")
	}
	if err := answer.Write(client); err != nil {
		return false, fmt.Errorf("cannot answer: %w", err)
	}
	if !answer.Close {
		return true, nil
	}
	farewell(client)
	return false, nil
}

// isWhole says whether all of a request was passed on. If the app has not read its body to
// the end, no other request can follow on the connection.
func isWhole(request *http.Request, sent <-chan error) bool {
	if request.Body == http.NoBody {
		return <-sent == nil
	}
	select {
	case err := <-sent:
		return err == nil
	default:
		return false
	}
}

// forward writes the request as it came, except for hop-by-hop headers: the connection to
// the app is used for this request only.
func forward(server io.Writer, request *http.Request) error {
	if request.Header.Get("User-Agent") == "" {
		request.Header["User-Agent"] = nil // or Go would add its own
	}
	if !upgrades(request) {
		request.Close = true
	}
	request.URL.Scheme, request.URL.Host = "http", request.Host
	return request.Write(server)
}

func upgrades(request *http.Request) bool {
	return strings.Contains(strings.ToLower(request.Header.Get("Connection")), "upgrade")
}

// answerTo reads the final answer, and passes on the interim ones (1xx) before it.
func answerTo(request *http.Request, from *bufio.Reader, client io.Writer) (*http.Response, error) {
	for {
		answer, err := http.ReadResponse(from, request)
		if err != nil {
			return nil, fmt.Errorf("cannot read the answer of the app: %w", err)
		}
		if answer.StatusCode >= 200 || answer.StatusCode == http.StatusSwitchingProtocols {
			return answer, nil
		}
		fmt.Fprintf(client, "HTTP/1.1 %s\r\n", answer.Status)
		answer.Header.Write(client)
		io.WriteString(client, "\r\n")
	}
}

// tunnel passes bytes both ways until both ends are done.
func tunnel(client net.Conn, fromClient io.Reader, server net.Conn, fromServer io.Reader, answer *http.Response) error {
	fmt.Fprintf(client, "HTTP/1.1 %s\r\n", answer.Status)
	answer.Header.Write(client)
	if _, err := io.WriteString(client, "\r\n"); err != nil {
		return err
	}
	ended := make(chan error, 2)
	pass := func(to net.Conn, from io.Reader) {
		_, err := io.Copy(to, from)
		closeWrite(to)
		ended <- err
	}
	go pass(server, fromClient)
	go pass(client, fromServer)
	return errors.Join(<-ended, <-ended)
}

func closeWrite(c net.Conn) {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
}

// farewell closes a connection so that the last bytes arrive: close(2) with unread bytes
// would send a reset.
func farewell(client net.Conn) {
	closeWrite(client)
	client.SetReadDeadline(time.Now().Add(goodbye))
	io.Copy(io.Discard, client)
}
