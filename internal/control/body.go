package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// largeBodies is how many large request bodies are read at the same time.
	largeBodies = 16
	// largeBody is the size in bytes above which a body has to wait for its turn.
	largeBody = 16 << 10
	// bodyPatience is how long a client may take to send a body.
	bodyPatience = 10 * time.Second
)

// maxRequest is the largest request body: it has room for the longest application message.
const maxRequest = 2 << 20

// read reads the request's JSON body; no body means all defaults. If the body is wrong, read
// answers the request and returns false.
func (s *Server) read(w http.ResponseWriter, r *http.Request, into any) bool {
	if !s.awaitBody(w, r) {
		return false
	}
	defer s.endBody(r)
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	body.DisallowUnknownFields()
	err := body.Decode(into)
	if err == nil && body.More() {
		err = errors.New("there is more than one JSON value")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		answer(w, nil, &Error{Message: fmt.Sprintf("cannot read the request: %v", err), Exit: ExitUsage})
		return false // the time limit stays, because the server still reads the rest
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return true
}

// isLarge says whether a body has to wait for its turn.
func isLarge(r *http.Request) bool { return r.ContentLength < 0 || r.ContentLength > largeBody }

// awaitBody waits until the request's body may be read, and sets a time limit for that. It
// returns false if the client has gone. A small body never waits.
func (s *Server) awaitBody(w http.ResponseWriter, r *http.Request) bool {
	if isLarge(r) {
		select {
		case s.bodies <- struct{}{}:
		case <-r.Context().Done():
			return false
		}
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.patience)) // if it fails there is no limit
	return true
}

func (s *Server) endBody(r *http.Request) {
	if isLarge(r) {
		<-s.bodies
	}
}
