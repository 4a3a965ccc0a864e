package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"relevo/bench/figures"
	"relevo/pool"
)

const (
	healthInterval = 500 * time.Millisecond
	healthFailures = 2
	// healthBound is in what time a worker that fails is to be out of service.
	healthBound = healthInterval*healthFailures + 100*time.Millisecond
)

// serveHealth adds pages to the plain program by which it is asked, and made ill.
func serveHealth() {
	var pool sync.Mutex // each answer needs it
	status := http.StatusOK
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		pool.Lock()
		defer pool.Unlock()
		w.WriteHeader(status)
	})
	http.HandleFunc("/500", func(w http.ResponseWriter, _ *http.Request) {
		pool.Lock()
		defer pool.Unlock()
		status = http.StatusInternalServerError
		fmt.Fprintln(w, os.Getpid())
	})
	http.HandleFunc("/deadlock", func(w http.ResponseWriter, _ *http.Request) {
		pool.Lock()
		fmt.Fprintln(w, os.Getpid())
	})
}

// health measures from the moment in which a worker falls ill until it gets no new client.
// The moments are spread over the interval.
func health(ctx context.Context, b *bench) error {
	a, err := b.startCaptured(ctx, 3, "--health", "/healthz", "--health-interval", healthInterval.String(),
		"--health-failures", strconv.Itoa(healthFailures), "--drain-timeout", "200ms", "--stop-grace", "100ms")
	if err != nil {
		return err
	}
	for _, how := range []string{"answers 500", "is deadlocked", "is stopped (SIGSTOP)"} {
		var sample []float64
		for i := range b.plan.rolls * 2 {
			took, illErr := a.timeIllness(ctx, how, healthInterval*time.Duration(i)/time.Duration(b.plan.rolls*2))
			if err = illErr; err != nil {
				return errors.Join(err, a.stop())
			}
			sample = append(sample, figures.Milliseconds(took))
		}
		b.table.row(fmt.Sprintf("a worker %s, until it gets no new client (asked every %s, %d failures), ms", how,
			healthInterval, healthFailures),
			figures.Spread(sample, "%.0f"), fmt.Sprintf("≤ %d", healthBound.Milliseconds()))
	}
	return a.stop()
}

// timeIllness makes a worker ill some time after all were well.
func (a *app) timeIllness(ctx context.Context, how string, after time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := a.awaitWell(ctx, 3); err != nil {
		return 0, err
	}
	events, err := a.client.Events(ctx)
	if err != nil {
		return 0, err
	}
	defer events.Close()
	time.Sleep(after)
	page := map[string]string{"answers 500": "500", "is deadlocked": "deadlock"}[how]
	text, err := ask(ctx, "http://"+a.address+"/"+page)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(text)
	if err == nil && page == "" {
		err = syscall.Kill(pid, syscall.SIGSTOP)
	}
	if err != nil {
		return 0, err
	}
	began := time.Now()
	for {
		e, _, err := events.Next()
		if err != nil {
			return 0, err
		}
		if e.Kind == pool.KindUnhealthy && e.PID == pid { // new clients are kept from it by now
			return e.Time.Sub(began), nil
		}
	}
}

// awaitWell waits until so many workers are there that have answered well, and no other.
func (a *app) awaitWell(ctx context.Context, workers int) error {
	for look := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			look.Stop()
			return errors.New("the workers do not get well")
		case <-look.C:
		}
		status, err := a.client.Status(ctx)
		if err != nil {
			return err
		}
		well := 0
		for _, w := range status.Workers {
			if w.Health != nil && w.Health.OK {
				well++
			}
		}
		if well == workers && settled(status, workers) {
			look.Stop()
			return nil
		}
	}
}
