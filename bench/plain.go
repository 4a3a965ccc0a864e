package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// plainVerb makes this program one that knows nothing of relevo.
const plainVerb = "plain"

// plainMain is a small HTTP server that binds its own address. It says which
// process answers, and at /listened since when it listens.
func plainMain(address string) int {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, "plain:", err)
		return 1
	}
	listened := time.Now().UnixNano()
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, os.Getpid()) })
	http.HandleFunc("/listened", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, os.Getpid(), listened) })
	serveHealth()
	fmt.Println(listener.Addr())
	fmt.Fprintln(os.Stderr, "plain:", http.Serve(listener, nil))
	return 1
}
