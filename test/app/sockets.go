package main

import (
	"net/http"

	"github.com/coder/websocket"

	"relevo/worker"
)

// serveOther serves HTTP/2 in clear, too, and at /echo WebSockets. A polite worker that is to leave
// closes them by 1001; the other leaves that to the end of its drain.
func serveOther(polite bool) func(*http.Server) error {
	return func(server *http.Server) error {
		mux := http.NewServeMux()
		mux.Handle("/", server.Handler)
		mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
			if ws, err := websocket.Accept(w, r, nil); err == nil {
				echo(r, ws, polite)
			}
		})
		server.Handler = mux
		server.Protocols = new(http.Protocols)
		server.Protocols.SetHTTP1(true)
		server.Protocols.SetUnencryptedHTTP2(true)
		return serveAll(server)
	}
}

func echo(r *http.Request, ws *websocket.Conn, polite bool) {
	defer ws.CloseNow()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-worker.Draining():
			if polite {
				_ = ws.Close(websocket.StatusGoingAway, "the worker leaves")
			}
		case <-ended:
		}
	}()
	for {
		kind, data, err := ws.Read(r.Context())
		if err != nil || ws.Write(r.Context(), kind, data) != nil {
			return
		}
	}
}
