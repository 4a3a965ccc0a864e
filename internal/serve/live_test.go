package serve

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"relevo/worker"
)

func TestPage(t *testing.T) {
	s := newSite(t, Options{})
	w := s.get("GET", "/")
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("GET /: %d, %s", w.Code, w.Header().Get("Content-Type"))
	}
	checkPolicy(t, w)
	if n := w.Body.Len(); n > 15<<10 {
		t.Errorf("the page has %d bytes", n)
	}
	for _, path := range []string{"/x", "/whoami/", "/live.html", "/.env"} {
		s.want(t, path, 404, "")
	}
	s.want(t, "//whoami", 404, "")
}

func TestWhoami(t *testing.T) {
	l := newLive()
	s := &site{Handler: l}
	ask := func(path string) (*httptest.ResponseRecorder, answer) {
		t.Helper()
		w := s.get("GET", path)
		var a answer
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 {
			t.Fatalf("GET %s: %d %v\n%s", path, w.Code, err, w.Body)
		}
		return w, a
	}
	w, a := ask("/whoami")
	if a.Managed || a.PID != os.Getpid() || a.Started.IsZero() || a.Go == "" || a.Pool == nil {
		t.Errorf("without a master: %+v", a)
	}
	if h := w.Header(); h.Get("Cache-Control") != "no-store" || h.Get("Connection") != "" ||
		h.Get("Content-Type") != "application/json" {
		t.Errorf("headers: %v", h)
	}
	if w, _ := ask("/whoami?fresh"); w.Header().Get("Connection") != "close" {
		t.Errorf("?fresh keeps the connection: %v", w.Header())
	}
	peers := []worker.Peer{{Slot: 0, ID: "a", PID: 11, Generation: 1, State: "serving"},
		{Slot: 1, ID: "b", PID: 12, Generation: 2, State: "starting"}}
	l.announce(worker.State{Workers: peers})
	if w, a := ask("/whoami"); len(a.Pool) != 2 || a.Pool[1] != peers[1] ||
		!strings.Contains(w.Body.String(), `{"slot":1,"id":"b","pid":12,"generation":2,"state":"starting"}`) {
		t.Errorf("after an announcement: %+v", a)
	}
}
