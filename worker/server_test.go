package worker

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"relevo/internal/ipc"
)

// In one process: the end of the context begins the drain, and hooks of the program are called with
// the values that they would see without this package.
func TestHooksOfTheProgram(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	type key struct{}
	states := make(chan http.ConnState, 16)
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.Context().Value(key{}))
		}),
		BaseContext: func(got net.Listener) context.Context {
			return context.WithValue(context.Background(), key{}, fmt.Sprint(got == ln))
		},
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
			_, tcp := nc.(*net.TCPConn)
			return context.WithValue(ctx, key{}, fmt.Sprint(ctx.Value(key{}), tcp))
		},
		ConnState: func(nc net.Conn, s http.ConnState) {
			if _, ok := nc.(*net.TCPConn); ok {
				states <- s
			}
		},
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	s := &Server{HTTP: srv, IdleGrace: 50 * time.Millisecond, proc: newProc(func(string) string { return "" }, 1)}
	go func() { served <- s.ServeListener(ctx, ln) }()
	if page, _ := call(t, ln.Addr().String()).get("/"); page != "truetrue" {
		t.Errorf("got %q", page)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	want := []http.ConnState{http.StateNew, http.StateActive, http.StateIdle, http.StateClosed}
	for _, w := range want {
		if got := <-states; got != w {
			t.Errorf("got %v, want %v", got, w)
		}
	}
	if !isClosed(s.proc.draining) {
		t.Error("Draining is open after a drain")
	}
}

// lateListener accepts one more connection after it was closed, as an accept
// does that the kernel had answered a moment earlier.
type lateListener struct {
	net.Listener
	last   chan net.Conn // what the accept under way will return
	closed chan struct{}
	once   sync.Once
}

func (l *lateListener) Accept() (net.Conn, error) {
	if c, ok := <-l.last; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l *lateListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func TestQuiesceWaitsForTheAcceptLoop(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	late := &lateListener{Listener: ln, last: make(chan net.Conn), closed: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	s := &Server{HTTP: &http.Server{Handler: http.NotFoundHandler()}, proc: newProc(env(), 1)}
	served := make(chan error, 1)
	go func() { served <- s.ServeListener(ctx, late) }()
	c := call(t, ln.Addr().String())
	c.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-late.closed
	select {
	case err := <-served:
		t.Fatal("drained while an accept was under way:", err)
	case <-s.proc.draining:
		t.Fatal("called itself draining while an accept was under way")
	case <-time.After(50 * time.Millisecond): // long for what would be wrong
	}
	late.last <- accepted
	close(late.last)
	// What counts is that it is answered: the request may begin a moment before the drain does.
	if resp := c.head(); resp.StatusCode != http.StatusNotFound {
		t.Errorf("got %v", resp.Status)
	}
	c.conn.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// Several servers in one process are one worker: it has drained when all have.
func TestTwoServersAreOneWorker(t *testing.T) {
	p, master := channelPair(t)
	messages := ipc.NewReader(master)
	served := make(chan error, 2)
	entered, release := make(chan struct{}), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
	})
	serve := func(h http.Handler, keepReady bool) string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &Server{HTTP: &http.Server{Handler: h}, IdleGrace: 50 * time.Millisecond, KeepReady: keepReady, proc: p}
		go func() { served <- s.ServeListener(t.Context(), ln) }()
		return ln.Addr().String()
	}
	busy := call(t, serve(slow, true))
	expect(t, messages, ipc.Hello{Protocol: ipc.Protocol, Pong: true})
	serve(http.NotFoundHandler(), false)
	expect(t, messages, ipc.Ready{})
	busy.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
	<-entered
	fmt.Fprint(master, `{"relevo":"drain","deadline_ms":60000}`+"\n")
	if err := <-served; err != nil { // the idle one
		t.Error(err)
	}
	if err := p.status("one is left"); err != nil {
		t.Fatal(err)
	}
	for m := ipc.Message(nil); m != (ipc.Status{Text: "one is left"}); {
		var err error
		if m, err = messages.Next(); err != nil || m == (ipc.Drained{}) {
			t.Fatalf("got %#v, %v while a request was under way", m, err)
		}
	}
	close(release)
	busy.head()
	if err := <-served; err != nil {
		t.Error(err)
	}
	for m := ipc.Message(nil); m != (ipc.Drained{}); {
		var err error
		if m, err = messages.Next(); err != nil {
			t.Fatal(err)
		}
	}
}

// Shutdown looks at its connections every half second and can miss one forever; the drain counts
// them itself.
func TestDrainDoesNotWaitForShutdown(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, release := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-release
	})
	told := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	s := &Server{HTTP: &http.Server{Handler: h}, Drain: tooLong, proc: newProc(env(), 1)}
	s.HTTP.RegisterOnShutdown(func() { close(told) })
	served := make(chan error, 1)
	go func() { served <- s.ServeListener(ctx, ln) }()
	c := call(t, ln.Addr().String())
	c.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n")
	<-entered
	s.proc.mu.Lock()
	for r := range s.proc.serving {
		for _, c := range r.conns.snapshot() {
			r.conns.forget(c) // net/http alone knows it now
		}
	}
	s.proc.mu.Unlock()
	cancel()
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(tooLong / 4):
		t.Error("the drain waits for Shutdown")
	}
	<-told // but it was called
	close(release)
}
