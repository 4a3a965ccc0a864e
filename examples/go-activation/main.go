// Usage: go build ./examples/go-activation && relevo run -l :8080 -- ./go-activation
// Without relevo/worker: no check of LISTEN_PID, no grace for each single connection, no GOAWAY, no word to hijacked
// ones.
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
		fmt.Fprintf(w, "worker %s generation %s pid %d\n", os.Getenv("RELEVO_SLOT"), os.Getenv("RELEVO_GENERATION"),
			os.Getpid())
	})
	count, open := map[http.ConnState]int64{http.StateNew: 1, http.StateHijacked: -1, http.StateClosed: -1}, atomic.Int64{}
	srv := &http.Server{ConnState: func(_ net.Conn, s http.ConnState) { open.Add(count[s]) }}
	term, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(term, func() { stop(); ln.Close() }) // a second signal ends the process
	srv.Serve(ln)                                          // has returned when all accepted connections are known
	// Shutdown now would cut idle connections, requests on their way or not
	draining.Store(true)
	for end := time.Now().Add(5 * time.Second); open.Load() > 0 &&
		time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
	}
	srv.Shutdown(context.Background()) // waits for the requests left; the master's patience bounds it
}
