package metrics

import (
	"errors"
	"net/http"

	"relevo/internal/control"
	"relevo/pool"
	"relevo/pool/machine"
)

// Handler answers with the metrics of one app.
func Handler(status func() (control.Status, error)) http.Handler {
	reader := new(Reader)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := status()
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		reader.answer(w, r, func(p *page) { p.apps(reader.Look([]control.Status{s})) })
	})
}

// AnswerAll writes the metrics of all apps of a machine in the format that the client asks for. Those
// that are down have a master that does not answer, or none.
func (r *Reader) AnswerAll(w http.ResponseWriter, request *http.Request, statuses []control.Status, down []string) {
	r.answer(w, request, func(p *page) {
		apps := r.Look(statuses)
		p.up(apps, down)
		p.apps(apps)
	})
}

func (r *Reader) answer(w http.ResponseWriter, request *http.Request, fill func(*page)) {
	p, _ := r.pages.Get().(*page)
	if p == nil {
		p = newPage()
	}
	defer r.pages.Put(p)
	p.clear()
	fill(p)
	format := Negotiate(request.Header.Get("Accept"))
	w.Header().Set("Content-Type", format.ContentType)
	Write(w, format, p.families) // an error means that the client has gone
}

// Routes are what is served where an app has an address of its own for its metrics: /metrics,
// /livez (the master answers) and /readyz (the app serves).
func Routes(status func() (control.Status, error)) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", Handler(status))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		_, err := status()
		// A master whose workers have ended is about to end, and not stuck.
		probe(w, err == nil || errors.Is(err, pool.ErrNotRunning), "the master does not answer")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		s, err := status()
		probe(w, err == nil && Serves(s), "no worker serves, or the app is stopping")
	})
	return mux
}

func probe(w http.ResponseWriter, ok bool, otherwise string) {
	if !ok {
		http.Error(w, otherwise, http.StatusServiceUnavailable)
		return
	}
	w.Write([]byte("ok\n"))
}

// Serves says whether clients of an app are answered, and will be for now. One that sleeps wakes
// for them, and they wait for its first worker.
func Serves(s control.Status) bool {
	if !s.Asleep.IsZero() || s.Waking {
		return true
	}
	return s.State != string(machine.Halting) && s.State != string(machine.Stopped) && s.Serving() > 0
}
