package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"relevo/internal/apps"
	"relevo/internal/control"
	"relevo/internal/machineview"
	"relevo/internal/metrics"
)

// scrapePatience is how long a master may take until it counts as down.
const scrapePatience = 2 * time.Second

// metrics answers with the numbers of all apps.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	all, err := s.masters.All(r.Context(), scrapePatience)
	if err != nil {
		failed(w, err)
		return
	}
	var answered []control.Status
	var down []string
	for _, a := range all {
		if a.Status == nil {
			down = append(down, a.Name)
			continue
		}
		status := *a.Status
		status.Name = a.Name // that of its socket: no two have the same
		answered = append(answered, status)
	}
	s.reader.AnswerAll(w, r, answered, down)
}

func live(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) }

// ready says whether all apps serve that are meant to: those that relevo start remembers, and
// those whose master runs. Their names are for those who may see them.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	all, err := s.masters.All(r.Context(), scrapePatience)
	if err != nil {
		failed(w, err)
		return
	}
	var missing []string
	for _, a := range all {
		if a.Status == nil || !metrics.Serves(*a.Status) {
			missing = append(missing, a.Name)
		}
	}
	if len(missing) == 0 {
		w.Write([]byte("ok\n"))
		return
	}
	names := ""
	if s.guard.mayLook(r) {
		names = ": " + strings.Join(missing, ", ")
	}
	http.Error(w, "not all apps serve"+names, http.StatusServiceUnavailable)
}

// list answers with all apps, and their details.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	viewer := machineview.NewViewer(func(ctx context.Context) ([]apps.App, error) {
		return s.masters.Measured(ctx, scrapePatience)
	})
	view, err := viewer.Look(r.Context())
	if err != nil {
		failed(w, err)
		return
	}
	details := []detail{}
	for _, a := range view.Apps {
		details = append(details, describe(a, s.guard.token.right(r)))
	}
	answer(w, http.StatusOK, map[string]any{"at": view.At, "apps": details})
}
