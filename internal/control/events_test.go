package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"relevo/internal/control"
	"relevo/pool"
)

// Events come as they happen and end with the pool.
func TestEvents(t *testing.T) {
	m := newMaster()
	_, client := serve(t, m)
	stream, err := client.Events(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	select {
	case <-m.subscribed: // before the answer, so that nothing is missed
	default:
		t.Error("the client was answered before the subscription")
	}
	// One at a time: each is on the wire before the next one is made.
	for i := range 3 {
		m.events <- pool.Event{Kind: pool.KindMessage, App: "web", Data: json.RawMessage(strconv.Itoa(i))}
		e, line, err := stream.Next()
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "event", string(e.Data), i)
		wantEqual(t, "line", string(line),
			`{"time":"0001-01-01T00:00:00Z","event":"message","app":"web","data":`+strconv.Itoa(i)+"}\n")
	}
	close(m.events)
	_, _, err = stream.Next()
	wantEqual(t, "end", err, io.EOF)
	within(t, m.cancelled)
}

// While one master hands over to the next, a client that asks for events waits for the next one.
func TestEventsWaitForNextMaster(t *testing.T) {
	m := newMaster()
	m.handing.Store(3)
	_, client := serve(t, m)
	stream, err := client.Events(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	stream.Close()
	wantEqual(t, "refusals left", m.handing.Load(), int32(0))
}

// A burst comes whole and in order.
func TestEventsBurst(t *testing.T) {
	m := newMaster()
	m.events = make(chan pool.Event, 1000)
	for i := range cap(m.events) {
		m.events <- pool.Event{Kind: pool.KindStatus, Count: i + 1}
	}
	_, client := serve(t, m)
	stream, err := client.Events(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for i := range cap(m.events) {
		e, _, err := stream.Next()
		if err != nil || e.Count != i+1 {
			t.Fatalf("event %d: %+v, %v", i+1, e, err)
		}
	}
	close(m.events)
}

// A client that goes away is forgotten, even if there are no more events.
func TestEventsClientGoes(t *testing.T) {
	m := newMaster()
	_, client := serve(t, m)
	stream, err := client.Events(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Close(); err != nil {
		t.Error(err)
	}
	within(t, m.cancelled)
}

// A master that dies is not the end of the pool.
func TestEventsMasterDies(t *testing.T) {
	path := place(t)
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		probe, err := listener.Accept() // Connect's
		if err != nil {
			return
		}
		probe.Close()
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.Read(make([]byte, 4096))
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n{\"event\":\"ready\"}\n\r\n")
	}()
	client, err := control.Connect(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := client.Events(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	e, _, err := stream.Next()
	wantEqual(t, "event", []any{e.Kind, err}, []any{pool.KindReady, nil})
	if _, _, err = stream.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("after the master's death: %v, want unexpected EOF", err)
	}
}

// A master that is stuck takes connections and answers none.
func TestStatusOfTheStuck(t *testing.T) {
	path := place(t)
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := control.Connect(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	control.SetPatience(client, 20*time.Millisecond)
	_, err = client.Status(soon(t))
	wantEqual(t, "error", err, `cannot learn the status of "web": its master does not answer within 20ms`)

	control.SetPatience(client, tooLong)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := client.Status(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's own patience: %v, want deadline exceeded", err)
	}
}

func TestEventsNotJSON(t *testing.T) {
	path := place(t)
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for range 2 { // Connect's and the request's
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 4096))
			io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\nhello\n")
			conn.Close()
		}
	}()
	client, err := control.Connect(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := client.Events(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, _, err := stream.Next(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a line that is no event: %v", err)
	}
}

// Close does not wait for a listener that never ends: it cuts it off.
func TestCloseCutsEventsOff(t *testing.T) {
	m := newMaster()
	path := place(t)
	s, err := control.Listen(path, m, discard())
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve() }()
	client, err := control.Connect(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := client.Events(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > tooLong/2 {
		t.Errorf("Close took %s", took)
	}
	wantEqual(t, "Serve", within(t, served), nil)
	_, _, err = stream.Next()
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the stream that was cut off says %v; want neither the pool's end nor silence", err)
	}
	within(t, m.cancelled)
}

// TestEndlessAnswer: any program may answer on the socket, so the client bounds the memory that an
// answer takes.
func TestEndlessAnswer(t *testing.T) {
	path := place(t)
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	endless := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"name":"`)
		for block := bytes.Repeat([]byte("x"), 1<<20); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})}
	served := make(chan error, 1)
	go func() { served <- endless.Serve(listener) }()
	defer func() { endless.Close(); <-served }()
	client, err := control.Connect(soon(t), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Plan(soon(t)); err == nil {
		t.Error("an endless answer was read")
	}
	events, err := client.Events(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	if _, _, err := events.Next(); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("an endless event: %v", err)
	}
}
