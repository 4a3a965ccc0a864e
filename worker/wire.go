package worker

import (
	"context"
	"log"
	"net"
	"net/http"
	"sync"
)

// wire sets the hooks by which a run follows its server. The application's own
// hooks are called too.
func (r *run) wire() {
	r.wireHandler()
	r.wireConns()
	r.wireContexts()
	// Once, because the program may call Shutdown too, although it must not.
	r.HTTP.RegisterOnShutdown(sync.OnceFunc(func() { close(r.shutDownBegan) }))
}

func (r *run) wireHandler() {
	next := r.HTTP.Handler
	if next == nil {
		next = http.DefaultServeMux
	}
	r.HTTP.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.conns.draining.Load() && r.lastOfConn(req) {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, req)
	})
}

// lastOfConn reports whether the response should announce the connection's end.
// An upgrade must answer "Connection: upgrade" instead, and HTTP/2 has been told
// by GOAWAY: the header would make net/http send its own, which loses requests.
func (r *run) lastOfConn(req *http.Request) bool {
	if req.ProtoMajor >= 2 {
		return !r.goAway
	}
	return req.Header.Get("Upgrade") == ""
}

func (r *run) wireConns() {
	state, ctx := r.HTTP.ConnState, r.HTTP.ConnContext
	r.HTTP.ConnState = r.conns.note
	if state != nil {
		r.HTTP.ConnState = func(nc net.Conn, s http.ConnState) {
			r.conns.note(nc, s)
			state(bare(nc), s)
		}
	}
	if ctx != nil {
		r.HTTP.ConnContext = func(c context.Context, nc net.Conn) context.Context {
			return ctx(c, bare(nc))
		}
	}
}

// wireContexts makes all requests cancellable. net/http asks for the base context
// when its settings are complete and before it accepts, so HTTP/2 is hooked there.
func (r *run) wireContexts() {
	base := r.HTTP.BaseContext
	var once sync.Once
	r.HTTP.BaseContext = func(net.Listener) context.Context {
		once.Do(func() { r.goAway = hookHTTP2(r.HTTP, r.conns) })
		parent := context.Background()
		if base != nil {
			parent = base(r.starting)
		}
		ctx, cancel := context.WithCancel(parent)
		context.AfterFunc(r.requests, cancel)
		return ctx
	}
}

func logTo(l *log.Logger, format string, args ...any) {
	if l != nil {
		l.Printf(format, args...)
	} else {
		log.Printf(format, args...)
	}
}
