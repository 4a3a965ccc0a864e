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
	// largeBodies is how many large bodies of requests are read at a time.
	largeBodies = 16
	// largeBody is the size in bytes from which a body has to wait for its turn.
	largeBody = 16 << 10
	// bodyPatience is how long a body may take to come.
	bodyPatience = 10 * time.Second
)

// maxRequest leaves room for the longest application message.
const maxRequest = 2 << 20

// read takes the request's JSON body; no body means all defaults. It answers
// itself, and says false, where the body is wrong.
func (s *Server) read(w http.ResponseWriter, r *http.Request, into any) bool {
	if !s.awaitBody(w, r) {
		return false
	}
	defer s.leaveBody(r)
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	body.DisallowUnknownFields()
	err := body.Decode(into)
	if err == nil && body.More() {
		err = errors.New("there is more than one JSON value")
	}
	if err != nil && !errors.Is(err, io.EOF) {
		answer(w, nil, &Error{Message: fmt.Sprintf("cannot read the request: %v", err), Exit: ExitUsage})
		return false // and the time limit stays, for the server reads what is left
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return true
}

// isLarge says whether a body has to wait for its turn.
func isLarge(r *http.Request) bool { return r.ContentLength < 0 || r.ContentLength > largeBody }

// awaitBody returns when the request's body may be read, for which there is a time
// limit then, and says false when the client has gone. A small body never waits.
func (s *Server) awaitBody(w http.ResponseWriter, r *http.Request) bool {
	if isLarge(r) {
		select {
		case s.bodies <- struct{}{}:
		case <-r.Context().Done():
			return false
		}
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.patience)) // where it fails there is no limit
	return true
}

func (s *Server) leaveBody(r *http.Request) {
	if isLarge(r) {
		<-s.bodies
	}
}
