// Package exporter serves a master's metrics at a TCP address, if the configuration names one.
package exporter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

// Exporter serves until its context ends. All fields are required.
type Exporter struct {
	Log     *slog.Logger
	Handler http.Handler
	Address func() string          // empty: nothing is served
	Changed func() <-chan struct{} // closed when Address may be another
	Warn    func(text string)      // what relevo status is to say; empty: all is well
	Place   *Place                 // has where metrics are served

	// For tests; 0: as below.
	patience, pause time.Duration
}

const (
	// patience is how long a busy address is tried every atFirst, without a word: another
	// master may be about to leave it.
	patience = 3 * time.Second
	atFirst  = 20 * time.Millisecond
	// later is the pause after that.
	later = 5 * time.Second
)

// Run serves. It has no goroutine and no timer while there is no address.
func (e Exporter) Run(ctx context.Context) {
	for ctx.Err() == nil {
		changed, address := e.Changed(), e.Address()
		if address == "" {
			e.Place.set("", "")
			await[struct{}](ctx, changed, nil)
			continue
		}
		listener := e.listen(ctx, address, changed)
		if listener == nil {
			continue
		}
		e.Place.set(address, listener.Addr().String())
		e.Log.Info("metrics are served", "on", listener.Addr().String())
		e.Warn("")
		e.serve(ctx, listener, address)
		if ctx.Err() == nil { // otherwise the next master serves there
			e.Place.set("", "")
		}
	}
	e.Warn("")
}

// listen returns nil if the address may have changed, or ctx has ended.
func (e Exporter) listen(ctx context.Context, address string, changed <-chan struct{}) net.Listener {
	told, patience, later := false, cmp.Or(e.patience, patience), cmp.Or(e.pause, later)
	for began := time.Now(); ; {
		at := e.Place.of(address)
		listener, err := net.Listen("tcp", at)
		if err == nil {
			return listener
		}
		pause := later
		if errors.Is(err, syscall.EADDRINUSE) && time.Since(began) < patience {
			pause = atFirst
		} else if at != address {
			e.Log.Warn("metrics move to another port: another program uses the previous one", "was", at)
			e.Place.set("", "")
			continue
		} else if !told {
			told = true
			err = fmt.Errorf("cannot serve metrics on %s: %w; the app runs on, and relevo tries again every %s: "+
				"free the address, or name another with metrics", address, cause(err), later)
			e.Log.Error("cannot serve metrics", "err", err)
			e.Warn(err.Error())
		}
		again := time.NewTimer(pause)
		changes := await(ctx, changed, again.C)
		again.Stop()
		if changes {
			return nil
		}
	}
}

// cause leaves out what the message says itself.
func cause(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}

// serve serves until ctx ends or the address is another.
func (e Exporter) serve(ctx context.Context, listener net.Listener, address string) {
	server := &http.Server{
		Handler:           e.Handler,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(e.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Serve(listener)
	}()
	for {
		changed := e.Changed()
		if e.Address() != address || !await(ctx, changed, ended) || ctx.Err() != nil {
			break
		}
	}
	server.Close()
	<-ended
}

// await waits for the first of three, and says whether it was not the last.
func await[T any](ctx context.Context, changed <-chan struct{}, other <-chan T) bool {
	select {
	case <-ctx.Done():
		return true
	case <-changed:
		return true
	case <-other:
		return false
	}
}
