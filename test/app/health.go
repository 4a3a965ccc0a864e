package main

import (
	"fmt"
	"net/http"
	"os"
	"sync"
)

// wellness is the health of the test app at /healthz, and how it is made ill: /ail?how=500 (only
// that page), deadlock (no page answers any more).
type wellness struct {
	http.Handler
	pool   sync.Mutex // each request locks it
	served int
	mu     sync.Mutex
	status int
}

func newWellness(behaviour string, mux *http.ServeMux) *wellness {
	w := &wellness{Handler: mux, status: http.StatusOK}
	if behaviour == "binds-ill" {
		w.status = http.StatusInternalServerError
	}
	mux.HandleFunc("/healthz", w.answer)
	mux.HandleFunc("/ail", w.makeIll)
	mux.HandleFunc("/missing", http.NotFound)
	return w
}

func (w *wellness) ServeHTTP(to http.ResponseWriter, r *http.Request) {
	w.pool.Lock() // hangs after a deadlock
	w.served++
	w.pool.Unlock()
	w.Handler.ServeHTTP(to, r)
}

func (w *wellness) answer(to http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	status, text := w.status, "all is well"
	if _, err := os.Stat("no-database"); err == nil { // all workers need the database
		status = http.StatusServiceUnavailable
	}
	if status != http.StatusOK {
		text = "disk full"
	}
	to.WriteHeader(status)
	fmt.Fprintln(to, text)
}

func (w *wellness) makeIll(to http.ResponseWriter, r *http.Request) {
	fmt.Fprint(to, os.Getpid())
	http.NewResponseController(to).Flush()
	switch r.FormValue("how") {
	case "500":
		w.mu.Lock()
		defer w.mu.Unlock()
		w.status = http.StatusInternalServerError
	case "deadlock":
		w.pool.Lock()
	}
}
