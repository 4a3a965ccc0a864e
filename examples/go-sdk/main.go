// Usage: go build ./examples/go-sdk && relevo run -l :8080 -- ./go-sdk   (or ./go-sdk alone)
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"relevo/worker"
)

func main() {
	self, _ := worker.Identity() // slot 0 of generation 0 without a master
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "worker %d generation %d pid %d\n", self.Slot, self.Generation, os.Getpid())
	})
	http.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		d, _ := time.ParseDuration(r.FormValue("d"))
		time.Sleep(d)
		fmt.Fprintln(w, "slept", d)
	})
	http.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; r.Context().Err() == nil; i++ {
			fmt.Fprintf(w, "data: %d\n\n", i)
			http.NewResponseController(w).Flush()
			select {
			case <-time.After(time.Second):
			case <-worker.Draining(): // the browser reconnects, to a worker that stays
				return
			}
		}
	})
	if err := worker.Serve(context.Background(), &http.Server{Addr: ":8080"}); err != nil {
		log.Fatal(err)
	}
}
