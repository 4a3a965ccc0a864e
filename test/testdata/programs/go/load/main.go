// Command load calls servers of protocols that relevo prove does not speak, from
// four clients that open a connection for every call and four that keep theirs. No
// call is made again. Until its standard input ends it prints what it has counted, a
// line of JSON at a time. Usage: load h2|grpc|websocket|socket.io|lines|udp|queue ADDRESS
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"os"
	"sync"
	"time"
)

const (
	clients  = 4
	patience = 60 * time.Second // of one call
)

// connection makes calls one after the other.
type connection interface {
	call(context.Context) error
	close()
}

// protocols open connections.
var protocols = map[string]func(ctx context.Context, address string) (connection, error){
	"h2": dialHTTP2, "grpc": dialGRPC, "websocket": dialWebSocket, "socket.io": dialSocketIO, "lines": dialLines,
	"udp": dialUDP,
}

func main() {
	if len(os.Args) != 3 || (protocols[os.Args[1]] == nil && os.Args[1] != "queue") {
		log.Fatal("Usage: load h2|grpc|websocket|socket.io|lines|udp|queue ADDRESS")
	}
	name, address := os.Args[1], os.Args[2]
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	counts := &report{}
	var running sync.WaitGroup
	if name == "queue" {
		running.Go(func() { serveQueue(ctx, address, &counts.Kept) })
	} else {
		for range clients {
			running.Go(func() { callFresh(ctx, protocols[name], address, &counts.Fresh) })
			running.Go(func() { callKept(ctx, protocols[name], address, &counts.Kept) })
		}
	}
	ended := make(chan struct{})
	go func() {
		running.Wait()
		close(ended)
	}()
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		select {
		case <-tick.C:
			counts.print()
		case <-ended:
			counts.print()
			return
		}
	}
}

func callFresh(ctx context.Context, dial func(context.Context, string) (connection, error), address string,
	counts *tally) {
	for ctx.Err() == nil {
		began := time.Now()
		c, err := dial(ctx, address)
		if err == nil {
			err = callOnce(ctx, c)
			c.close()
		}
		counts.add(ctx, err, time.Since(began))
	}
}

func callKept(ctx context.Context, dial func(context.Context, string) (connection, error), address string,
	counts *tally) {
	for ctx.Err() == nil {
		began := time.Now()
		c, err := dial(ctx, address)
		for err == nil && ctx.Err() == nil {
			if err = callOnce(ctx, c); err == nil {
				counts.add(ctx, nil, time.Since(began))
				began = time.Now()
			}
		}
		if err != nil {
			counts.add(ctx, err, time.Since(began))
		}
		if c != nil {
			c.close()
		}
	}
}

func callOnce(ctx context.Context, c connection) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.call(ctx)
}

// report is what is printed.
type report struct{ Fresh, Kept tally }

func (r *report) print() {
	r.Fresh.mu.Lock()
	defer r.Fresh.mu.Unlock()
	r.Kept.mu.Lock()
	defer r.Kept.mu.Unlock()
	json.NewEncoder(os.Stdout).Encode(r)
}

// tally counts the calls of one kind of client.
type tally struct {
	mu       sync.Mutex
	OK, Lost int64
	Slowest  time.Duration
	Errors   []string `json:",omitempty"` // of the first that were lost
}

func (t *tally) add(ctx context.Context, err error, took time.Duration) {
	if err != nil && ctx.Err() != nil {
		return // the end of the load cut it off
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.OK++
		t.Slowest = max(t.Slowest, took)
		return
	}
	t.Lost++
	if len(t.Errors) < 5 {
		t.Errors = append(t.Errors, err.Error())
	}
}
