package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"relevo/internal/config"
)

const (
	maxStreams = 100              // pages that are open at the same time
	takenIn    = 20 * time.Second // how long a page may take to read what it was sent
)

// hello is the first message of a stream.
type hello struct {
	Page string `json:"page"` // version of the page's files: a page of another one loads itself again
	Act  bool   `json:"act"`  // the token was right
}

// stream sends looks, and the events of one app, until the page goes (server-sent events).
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("app")
	if name != "" && config.CheckName(name) != nil {
		refuse(w, http.StatusBadRequest, "cannot show this app: its name is none")
		return
	}
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		refuse(w, http.StatusServiceUnavailable, fmt.Sprintf("cannot show the apps to more than %d pages: close some",
			maxStreams))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	out := sender{w, http.NewResponseController(w)}
	act := s.guard.token.right(r)
	if out.send("hello", hello{s.page.version, act}) != nil {
		return
	}
	looks, leave := s.hub.watch()
	defer leave()
	events := s.follow(r.Context(), name, act)
	for {
		var err error
		select {
		case m := <-looks:
			if !s.guard.mayLook(r) || act && !s.guard.token.right(r) {
				return // the token is another one now
			}
			var text []byte
			if text, err = m.json(chosen{name, act}); err == nil {
				err = out.write("look", text)
			}
		case e := <-events:
			err = out.send("event", e)
		case <-r.Context().Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// sender writes messages.
type sender struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s sender) send(kind string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return s.write(kind, text)
}

func (s sender) write(kind string, text []byte) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(takenIn)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", kind, text); err != nil {
		return err
	}
	return s.control.Flush()
}
