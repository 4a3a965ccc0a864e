package main

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"relevo/worker"
)

// pages are what a healthy worker serves.
func pages(version string) *http.ServeMux {
	id, _ := worker.Identity()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "version %s slot %d generation %d pid %d\n", version, id.Slot, id.Generation, os.Getpid())
	})
	mux.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, strings.Join(os.Environ(), "\n"))
	})
	mux.HandleFunc("/args", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "%q\n", os.Args[1:]) })
	mux.HandleFunc("/dir", func(w http.ResponseWriter, _ *http.Request) {
		dir, _ := os.Getwd()
		fmt.Fprintln(w, dir)
	})
	mux.HandleFunc("/slow", slowPage)
	mux.HandleFunc("/stream", streamPage)
	mux.HandleFunc("/download", downloadPage)
	mux.HandleFunc("/bind", bindPage)
	mux.HandleFunc("/busy", (&busyPage{}).serve)
	mux.HandleFunc("/misbind", misbind)
	mux.HandleFunc("/hang", func(http.ResponseWriter, *http.Request) { select {} })
	return mux
}

func slowPage(w http.ResponseWriter, r *http.Request) {
	d, _ := time.ParseDuration(r.FormValue("for"))
	w.(http.Flusher).Flush() // the client knows that it was accepted
	time.Sleep(d)            // stands for work
	fmt.Fprintln(w, "done")
}

func streamPage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for tick := time.NewTicker(20 * time.Millisecond); r.Context().Err() == nil; <-tick.C {
		fmt.Fprintln(w, "data: tick")
		http.NewResponseController(w).Flush()
	}
}

func downloadPage(w http.ResponseWriter, r *http.Request) {
	const pieces, size = 100, 10 << 10
	lasts, _ := time.ParseDuration(r.FormValue("for"))
	w.Header().Set("Content-Length", fmt.Sprint(pieces*size))
	for range pieces {
		w.Write(make([]byte, size))
		http.NewResponseController(w).Flush()
		time.Sleep(lasts / pieces)
	}
}

// bindPage binds a second address and serves there.
func bindPage(w http.ResponseWriter, r *http.Request) {
	listener, err := net.Listen(cmp.Or(r.FormValue("network"), "tcp"), r.FormValue("at"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "second of %d\n", os.Getpid())
	}))
}

// dieBySignal lets a shell send the signal: Go turns a SIGSEGV from outside into an exit status.
func dieBySignal(http.ResponseWriter, *http.Request) {
	die(func() { syscall.Exec("/bin/sh", []string{"sh", "-c", "kill -SEGV $$"}, nil) })
}

// pausingPage pauses between the head of its answer and the body, as programs do that send what they
// have while they ask a database for the rest.
func pausingPage(w http.ResponseWriter, r *http.Request) {
	const body = "at last\n"
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	if http.NewResponseController(w).Flush() != nil {
		return
	}
	select {
	case <-time.After(300 * time.Millisecond):
		fmt.Fprint(w, body)
	case <-r.Context().Done():
	}
}
