package web

import (
	"encoding/json"
	"sync"
	"time"

	"relevo/internal/machineview"
)

// moment is one look, and its JSON, which is made once for all pages.
type moment struct {
	view machineview.View
	err  error

	mu   sync.Mutex
	text map[chosen][]byte
}

// chosen is what a page wants to see.
type chosen struct {
	app string // whose details are sent; empty: none
	all bool   // with what programs have said
}

// looked is what a page gets.
type looked struct {
	At    time.Time `json:"at"`
	Error string    `json:"error,omitempty"`
	Apps  []summary `json:"apps"`
	App   *detail   `json:"app,omitempty"`
}

func newMoment(view machineview.View, err error) *moment {
	return &moment{view: view, err: err, text: map[chosen][]byte{}}
}

// json returns the look for a page.
func (m *moment) json(c chosen) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if text, made := m.text[c]; made {
		return text, nil
	}
	l := looked{At: m.view.At, Apps: []summary{}}
	if m.err != nil {
		l.At, l.Error = time.Now(), "cannot look for apps; relevo list says why"
		if c.all {
			l.Error = m.err.Error()
		}
	}
	for _, a := range m.view.Apps {
		l.Apps = append(l.Apps, summarize(a))
	}
	if a := m.view.Find(c.app); a != nil {
		d := describe(*a, c.all)
		d.History = shownHistory(a.History)
		l.App = &d
	}
	text, err := json.Marshal(l)
	if err == nil {
		m.text[c] = text
	}
	return text, err
}
