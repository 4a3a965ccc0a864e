package workertest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Load asks for pages by clients that use each connection once or, with Keep,
// until the server ends it. A client sends on a kept connection unless it has
// been told of the end: by "Connection: close", not by luck.
type Load struct {
	Addr    string
	Path    string // default "/"
	Keep    bool
	Clients int // default 8
	Pause   time.Duration
}

// Result counts requests. A lost one was sent and not answered by 200.
type Result struct {
	OK    int
	Lost  map[string]int // by what happened
	Pages map[string]int // by body, to tell workers apart
}

// Add adds b to r.
func (r *Result) Add(b Result) {
	r.OK += b.OK
	if r.Lost == nil {
		r.Lost, r.Pages = make(map[string]int), make(map[string]int)
	}
	for k, n := range b.Lost {
		r.Lost[k] += n
	}
	for k, n := range b.Pages {
		r.Pages[k] += n
	}
}

// LostSum is the number of lost requests.
func (r Result) LostSum() int {
	sum := 0
	for n := range maps.Values(r.Lost) {
		sum += n
	}
	return sum
}

func (r Result) String() string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(r.Lost)) {
		parts = append(parts, fmt.Sprintf("%d × %s", r.Lost[k], k))
	}
	return fmt.Sprintf("%d ok from %d pages, %d lost (%s)", r.OK, len(r.Pages), r.LostSum(), strings.Join(parts, ", "))
}

// Running is a load under way.
type Running struct {
	end     chan struct{}
	group   sync.WaitGroup
	results chan Result
	count   atomic.Int64
}

// Count is the number of requests so far, answered or lost.
func (r *Running) Count() int { return int(r.count.Load()) }

// Stop ends the load; requests on their way are finished.
func (r *Running) Stop() Result {
	close(r.end)
	r.group.Wait()
	close(r.results)
	var sum Result
	for one := range r.results {
		sum.Add(one)
	}
	return sum
}

// Start starts the load.
func (l Load) Start() *Running {
	if l.Path == "" {
		l.Path = "/"
	}
	if l.Clients == 0 {
		l.Clients = 8
	}
	r := &Running{end: make(chan struct{}),
		results: make(chan Result, l.Clients)} // no client waits to report
	for range l.Clients {
		r.group.Go(func() { r.results <- l.client(r) })
	}
	return r
}

func (l Load) client(running *Running) Result {
	r := Result{Lost: make(map[string]int), Pages: make(map[string]int)}
	c := &client{Load: l}
	defer c.hangUp()
	for {
		select {
		case <-running.end:
			return r
		default:
		}
		if body, err := c.get(); err != nil {
			r.Lost[c.describe(err)]++
			c.hangUp()
		} else {
			r.OK++
			r.Pages[body]++
		}
		running.count.Add(1)
		if l.Pause > 0 {
			time.Sleep(l.Pause)
		}
	}
}

type client struct {
	Load
	conn   net.Conn
	in     *bufio.Reader
	reused bool
}

func (c *client) get() (body string, err error) {
	if c.reused = c.conn != nil; !c.reused {
		if c.conn, err = net.DialTimeout("tcp", c.Addr, tooLong/2); err != nil {
			c.conn = nil
			return "", err
		}
		c.in = bufio.NewReader(c.conn)
	}
	_ = c.conn.SetDeadline(time.Now().Add(tooLong / 2))
	if _, err = io.WriteString(c.conn, "GET "+c.Path+" HTTP/1.1\r\nHost: test\r\n\r\n"); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(resp.Status)
	}
	if resp.Close || !c.Keep {
		c.hangUp()
	}
	return string(page), nil
}

// hangUp resets the connection, when all of it has been read: a load of fresh
// connections would use up the ports otherwise.
func (c *client) hangUp() {
	if c.conn == nil {
		return
	}
	_ = c.conn.(*net.TCPConn).SetLinger(0)
	_ = c.conn.Close()
	c.conn = nil
}

func (c *client) describe(err error) string {
	what := err.Error()
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		what = "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		what = "reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		what = "eof"
	case errors.Is(err, os.ErrDeadlineExceeded):
		what = "timeout"
	}
	if c.reused {
		return what + " on a kept connection"
	}
	return what + " on a fresh connection"
}
