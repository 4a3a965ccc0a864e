package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"

	"relevo/worker"
)

// workerVerb makes this program a worker.
const workerVerb = "worker"

// workerMain is a small HTTP server. It is the same program with and without
// relevo; without, it prints its address as soon as it listens.
func workerMain(args []string) int {
	flags := flag.NewFlagSet(workerVerb, flag.ExitOnError)
	address := flags.String("listen", "127.0.0.1:0", "where to listen without a master")
	flags.Parse(args)
	listener, err := worker.Listen("tcp", *address)
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	if !worker.Managed() {
		fmt.Println(listener.Addr())
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello, world\n") })
	if err := worker.ServeListener(context.Background(), &http.Server{Handler: handler}, listener); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	return 0
}
