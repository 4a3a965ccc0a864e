package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"relevo/worker"
)

// serveAsThree is ready, but leaves its clients in the accept queue until it is one of three serving
// workers.
func serveAsThree(server *http.Server) error {
	listener, err := worker.Listen("tcp", "")
	if err != nil {
		return err
	}
	enough := make(chan struct{}, 1)
	worker.OnState(func(s worker.State) {
		serving := 0
		for _, peer := range s.Workers {
			if peer.State == "serving" {
				serving++
			}
		}
		if serving >= 3 {
			select {
			case enough <- struct{}{}:
			default:
			}
		}
	})
	if err := worker.Ready(); err != nil {
		return err
	}
	<-enough
	return worker.ServeListener(context.Background(), server, listener)
}

// busyPage takes a while, and tells the master how many clients keep it busy.
type busyPage struct {
	mu   sync.Mutex
	busy int
}

func (p *busyPage) change(by int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy += by
	worker.Load(float64(p.busy))
}

func (p *busyPage) serve(w http.ResponseWriter, _ *http.Request) {
	p.change(+1)
	defer p.change(-1)
	time.Sleep(20 * time.Millisecond) // stands for work
	fmt.Fprintln(w, "done")
}
