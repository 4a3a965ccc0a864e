package config

import (
	"errors"
	"fmt"
	"strings"
)

// reading is one pass over a file's entries.
type reading struct {
	file     *File
	app      *App
	ordered  []Setting
	settings map[string]Setting  // the same by their keys
	places   map[string]Position // of values, and of items: listen[1]
	failed   map[string]bool     // keys whose value could not be read
	errs     []error
	more     bool           // there are more errors than are reported
	unknown  string         // the unknown table that keys go to
	listener *listenerTable // the [[listener]] that keys go to
	rules    *value         // all [[dev.rules]] so far
	inRule   bool           // keys go to the last of rules

	listeners []placedListener // of all [[listener]]; they follow those of listen
}

// apply sets what the file says.
func (f *File) apply(app *App) *reading {
	r := &reading{file: f, app: app, ordered: Settings(), settings: map[string]Setting{}, places: map[string]Position{},
		failed: map[string]bool{}}
	for _, s := range r.ordered {
		r.settings[s.Key] = s
	}
	for _, e := range f.entries {
		if len(e.path) > 0 && e.path[0] == listenerKey || e.key() == "listen" {
			app.Listen = nil // both ways to write them add to one list
		}
	}
	for _, e := range f.entries {
		if r.more {
			break
		}
		if e.header {
			r.header(e)
		} else {
			r.key(e)
		}
	}
	r.endListener()
	r.endRules()
	for _, s := range r.ordered {
		if s.settle != nil {
			s.settle(app)
		}
	}
	for _, l := range r.listeners {
		r.places[fmt.Sprintf("listen[%d]", len(app.Listen))] = l.at
		app.Listen = append(app.Listen, l.Listen)
	}
	return r
}

func (r *reading) report(key string, at Position, err error) {
	r.failed[key] = true
	if len(r.errs) < maxErrors {
		r.errs = append(r.errs, r.file.wrong(at, err))
	} else if !r.more {
		r.more, r.errs = true, append(r.errs, r.file.wrong(at, errMore))
	}
}

func (r *reading) header(e entry) {
	r.endListener()
	r.unknown, r.inRule = "", false
	if len(e.path) == 0 { // the table of an app, or of a profile
		return
	}
	key := e.key()
	switch {
	case key == rulesKey && e.value.form == formArray:
		r.beginRule(e.at)
	case key == listenerKey && e.value.form == formArray:
		r.listener = &listenerTable{at: e.at}
	case key == listenerKey:
		r.unknown = key
		r.report(key, e.at, errors.New("cannot use [listener]: write [[listener]], once for each"))
	case !r.isTable(key):
		r.unknown = key
		r.report(key, e.at, fmt.Errorf("cannot find the table %s%s", key, r.suggest(e.path)))
	case e.value.form == formArray:
		r.unknown = key
		r.report(key, e.at, fmt.Errorf("cannot use [[%s]]: write [%s]", key, key))
	}
}

// isTable says whether settings have keys below this one.
func (r *reading) isTable(key string) bool {
	if s, ok := r.settings[key]; ok {
		return s.member != nil
	}
	for known := range r.settings {
		if strings.HasPrefix(known, key+".") {
			return true
		}
	}
	return false
}

func (r *reading) key(e entry) {
	if r.unknown != "" {
		return // reported at its header
	}
	if r.inRule {
		rule := &r.rules.items[len(r.rules.items)-1]
		e.path = e.path[strings.Count(rulesKey, ".")+1:]
		rule.table = append(rule.table, e)
		return
	}
	if r.listener != nil {
		r.listener.members = append(r.listener.members, e)
		return
	}
	key := e.key()
	if key == listenerKey {
		r.inlineListeners(e)
		return
	}
	if e.value.form == formTable && r.isTable(key) {
		for _, member := range e.value.table {
			member.path = append(e.path[:len(e.path):len(e.path)], member.path...)
			r.key(member)
		}
		return
	}
	above := strings.Join(e.path[:len(e.path)-1], ".")
	if s, ok := r.settings[key]; ok && strings.Count(key, ".") == len(e.path)-1 {
		r.places[key] = e.value.at
		s.read(r.app, e.value, func(at Position, err error) { r.report(key, at, err) })
		r.placeItems(key, e.value)
	} else if s, ok := r.settings[above]; ok && s.member != nil {
		r.places[key] = e.value.at
		if err := s.member(r.app, e.path[len(e.path)-1], e.value); err != nil {
			r.report(key, e.value.at, err)
		}
	} else if r.isTable(key) {
		r.report(key, e.value.at, fmt.Errorf("cannot use %s for %s: it is a table; write [%s]", e.value.form, key, key))
	} else {
		r.report(key, e.at, fmt.Errorf("cannot find the setting %s%s", key, r.suggest(e.path)))
	}
}

// placeItems notes where the items of a list stand, if the list could be read.
func (r *reading) placeItems(key string, v value) {
	if r.failed[key] {
		return
	}
	for i, item := range v.items {
		r.places[fmt.Sprintf("%s[%d]", key, i)] = item.at
	}
}

// suggest ends an error with the setting that was meant.
func (r *reading) suggest(path []string) string {
	key := entry{path: path}.key()
	last := path[len(path)-1]
	keys := []string{listenerKey}
	for _, s := range r.ordered { // so that the answer is always the same
		if s.Key == last && len(path) > 1 {
			return fmt.Sprintf("; did you mean %s? It stands above the first [table]", s.Key)
		}
		if strings.HasSuffix(s.Key, "."+last) && s.Key != key {
			return fmt.Sprintf("; did you mean %s?", s.Key)
		}
		keys = append(keys, s.Key)
	}
	if near := Nearest(key, append(keys, "limits")); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return "; docs/relevo.reference.toml lists all settings"
}
