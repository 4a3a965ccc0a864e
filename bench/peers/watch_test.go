package main

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serveAt answers at an address until the server is closed.
func serveAt(t *testing.T, address string) (*http.Server, error) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Addr: listener.Addr().String(),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("1\n")) })}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return server, nil
}

func TestWatch(t *testing.T) {
	t.Parallel()
	const outageOf = 300 * time.Millisecond
	server, err := serveAt(t, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{address: server.Addr}
	began := time.Now()
	o, err := s.watch(context.Background(), time.Minute, func() error {
		server.Close()
		<-time.After(outageOf)
		_, err := serveAt(t, server.Addr)
		return err
	})
	if err != nil || o.open || o.longest < outageOf {
		t.Errorf("an outage of %s: %+v, %v", outageOf, o, err)
	}
	if took := time.Since(began); took < quiet || took > 30*time.Second {
		t.Errorf("the watch took %s, and was quiet after %s", took, quiet)
	}
}

// TestWatchOfOutage: an outage without end is watched for the whole time, and said to be open.
func TestWatchOfOutage(t *testing.T) {
	t.Parallel()
	server, err := serveAt(t, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{address: server.Addr}
	const length = quiet + time.Second
	o, err := s.watch(context.Background(), length, server.Close)
	if err != nil || !o.open || o.longest < length-time.Second/2 || !strings.HasPrefix(o.text(), "≥ ") {
		t.Errorf("%+v, %q, %v", o, o.text(), err)
	}
}
