package main

import (
	"net/http"

	"github.com/coder/websocket"

	"relevo/worker"
)

// serveOther also serves HTTP/2 in clear, and WebSockets at /echo. If it is polite, a worker that
// has to leave closes these with 1001; otherwise they last until the end of its drain.
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
