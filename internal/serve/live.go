package serve

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"relevo/worker"
)

//go:embed live.html
var liveHTML string

// live is the page that shows who answers, and the answers.
type live struct {
	page  document
	self  answer
	state atomic.Pointer[worker.State] // the newest announcement; nil before the first
}

// answer is what GET /whoami tells: the worker that answers, and the pool as it
// was last announced to that worker.
type answer struct {
	Managed    bool          `json:"managed"` // a relevo master started the worker
	Name       string        `json:"name"`
	Slot       int           `json:"slot"`
	Worker     string        `json:"worker"` // its id
	PID        int           `json:"pid"`
	Generation int           `json:"generation"`
	Started    time.Time     `json:"started"`
	Go         string        `json:"go"`
	Pool       []worker.Peer `json:"pool"`
}

func newLive() *live {
	self, managed := worker.Identity()
	return &live{
		page: document{body: []byte(liveHTML), policy: policy(liveHTML)},
		self: answer{
			Managed: managed, Name: self.Name, Slot: self.Slot, Worker: self.ID,
			PID: os.Getpid(), Generation: self.Generation,
			Started: time.Now().UTC(), Go: runtime.Version(), Pool: []worker.Peer{},
		},
	}
}

// announce takes the master's announcement.
func (l *live) announce(s worker.State) { l.state.Store(&s) }

func (l *live) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !readOnly(w, r) {
		return
	}
	switch r.URL.Path {
	case "/":
		l.page.write(w)
	case "/whoami":
		l.whoami(w, r)
	default:
		http.Error(w, "there is nothing at this address; try / or /whoami", http.StatusNotFound)
	}
}

// whoami answers as JSON. With the query "fresh" the connection ends with the
// answer, so that the next request may reach any worker: a browser stays with
// one connection, and so with one worker, for as long as it can.
func (l *live) whoami(w http.ResponseWriter, r *http.Request) {
	a := l.self
	if s := l.state.Load(); s != nil && s.Workers != nil {
		a.Pool = s.Workers
	}
	body, err := json.Marshal(a)
	if err != nil {
		http.Error(w, "internal error: "+err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if r.URL.Query().Has("fresh") {
		h.Set("Connection", "close")
	}
	w.Write(append(body, '\n'))
}
