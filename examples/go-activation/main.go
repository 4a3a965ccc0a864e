// Usage: go build ./examples/go-activation && relevo run -l :8080 -- ./go-activation
// Without relevo/worker: no check of LISTEN_PID, no grace for each single connection, no GOAWAY.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	file := os.NewFile(3, "the first of LISTEN_FDS")
	ln, err := net.FileListener(file) // works on a duplicate, so this process's first copy goes
	if file.Close(); err != nil {
		panic(err)
	}
	var draining atomic.Bool
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if draining.Load() {
			w.Header().Set("Connection", "close")
		}
		fmt.Fprintln(w, "worker", os.Getenv("RELEVO_SLOT"), "generation", os.Getenv("RELEVO_GENERATION"), "pid", os.Getpid())
	})
	count, open := map[http.ConnState]int64{http.StateNew: 1, http.StateHijacked: -1, http.StateClosed: -1}, atomic.Int64{}
	srv := &http.Server{ConnState: func(_ net.Conn, s http.ConnState) { open.Add(count[s]) }}
	term, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(term, func() { stop(); ln.Close() }) // a second signal ends the process
	srv.Serve(ln)                                          // has returned when all accepted connections are known
	draining.Store(true)                                   // Shutdown now would cut idle connections
	for i := 0; open.Load() > 0 && i < 500; i++ {          // five seconds at most
		time.Sleep(10 * time.Millisecond)
	}
	srv.Shutdown(context.Background()) // waits for the requests left; the master's patience bounds it
}
