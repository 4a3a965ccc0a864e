package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A file may hold several apps, [app.web] and [app.jobs], and profiles, [profile.production]
// and [app.web.profile.production]. Settings above these tables are for all apps. A stronger
// part replaces single settings of a weaker one, and in tables such as env single keys.
const (
	appKey     = "app"
	profileKey = "profile"
)

// Selection says which app and which profile of a file are used.
type Selection struct {
	App     string // empty: the only one
	Profile string // empty: none
}

// Apps returns the names of the file's apps in their order, nil if the file itself is one app.
func (f *File) Apps() []string {
	return f.names(func(path []string) string {
		if len(path) > 1 && path[0] == appKey {
			return path[1]
		}
		return ""
	})
}

// Profiles returns the names of the file's profiles, in their order.
func (f *File) Profiles() []string {
	return f.names(func(path []string) string {
		if path[0] == appKey && len(path) > 2 {
			path = path[2:]
		}
		if len(path) > 1 && path[0] == profileKey {
			return path[1]
		}
		return ""
	})
}

// names are what of makes of the keys, each once.
func (f *File) names(of func(path []string) string) (all []string) {
	seen := map[string]bool{"": true}
	for _, e := range spread(f.entries) {
		if name := of(e.path); !seen[name] {
			seen[name] = true
			all = append(all, name)
		}
	}
	return all
}

// spread splits inline tables of apps and profiles, so that each entry is one setting.
func spread(entries []entry) (flat []entry) {
	for _, e := range entries {
		if e.header || e.value.form != formTable || !isPart(e.path) {
			flat = append(flat, e)
			continue
		}
		if len(e.value.table) == 0 { // as if it stood there as a header
			flat = append(flat, entry{path: e.path, at: e.at, header: true})
		}
		for _, member := range e.value.table {
			member.path = append(e.path[:len(e.path):len(e.path)], member.path...)
			flat = append(flat, spread([]entry{member})...)
		}
	}
	return flat
}

// isPart says whether a key is the table of an app or a profile, or the table above them.
func isPart(path []string) bool {
	if path[0] == appKey && len(path) > 2 {
		path = path[2:]
		return path[0] == profileKey && len(path) <= 2
	}
	return (path[0] == appKey || path[0] == profileKey) && len(path) <= 2
}

// Select returns the file for one of its apps with a profile. The error names the apps or
// profiles that the file has.
func (f *File) Select(s Selection) (*File, error) {
	apps, profiles := f.Apps(), f.Profiles()
	if s.App == "" && len(apps) == 1 {
		s.App = apps[0]
	}
	switch {
	case s.App == "" && len(apps) > 1:
		return nil, fmt.Errorf("cannot tell which app of %s is meant: it has %s", f.path, List(apps))
	case s.App != "" && len(apps) == 0:
		return nil, fmt.Errorf("cannot find the app %q in %s: the file is one app itself", s.App, f.path)
	case s.App != "" && !slices.Contains(apps, s.App):
		return nil, fmt.Errorf("cannot find the app %q in %s: it has %s", s.App, f.path, List(apps))
	case s.Profile != "" && len(profiles) == 0:
		return nil, fmt.Errorf("cannot find the profile %q in %s: it has none; write [profile.%[1]s]", s.Profile, f.path)
	case s.Profile != "" && !slices.Contains(profiles, s.Profile):
		return nil, fmt.Errorf("cannot find the profile %q in %s: it has %s", s.Profile, f.path, List(profiles))
	}
	selected := *f
	selected.selection, selected.errs = s, slices.Clone(f.errs)
	hasParts := slices.ContainsFunc(f.entries, func(e entry) bool { return isPart(e.path) })
	if len(apps) == 0 && len(profiles) == 0 && !hasParts {
		return &selected, nil
	}
	selected.entries = selected.parts(spread(f.entries))
	return &selected, nil
}

// List names several things in a sentence.
func List(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// parts joins the entries for the selected app: those above the apps, the app's own, and those
// of the profile for all apps and for this app.
func (f *File) parts(all []entry) (entries []entry) {
	prefixes := [][]string{nil, {appKey, f.selection.App}, {profileKey, f.selection.Profile},
		{appKey, f.selection.App, profileKey, f.selection.Profile}}
	for i, prefix := range prefixes {
		if i > 0 && prefix[len(prefix)-1] == "" || i == 3 && f.selection.App == "" {
			continue
		}
		part := []entry{{header: true}} // ends the table before
		for _, e := range all {
			if own, ok := f.within(e, prefix); ok {
				part = append(part, own)
			}
		}
		entries = append(without(entries, part), part...)
		if i == 1 && !slices.ContainsFunc(part, func(e entry) bool { return e.key() == "name" }) {
			entries = append(entries, entry{header: true}, f.called(all, entries))
		}
	}
	return entries
}

// called is the name of the selected app: the name of its table.
func (f *File) called(all, above []entry) entry {
	name := entry{path: []string{"name"}, value: value{form: formString, text: f.selection.App}}
	for _, e := range all {
		if len(e.path) > 1 && e.path[0] == appKey && e.path[1] == f.selection.App {
			name.at, name.value.at = e.at, e.at
			break
		}
	}
	for _, e := range above {
		if e.key() == "name" {
			f.report(e.at, errors.New("cannot give several apps one name: each has that of its table; "+
				"take the name away, or write it in one of them"))
		}
	}
	return name
}

// within returns an entry of a part as it would stand in a file of its own. A table that has
// become the file itself is an empty header: it ends the table before.
func (f *File) within(e entry, prefix []string) (own entry, ok bool) {
	if len(e.path) < len(prefix) || !slices.Equal(e.path[:len(prefix)], prefix) {
		return e, false
	}
	if e.path = e.path[len(prefix):]; len(e.path) == 0 {
		if !e.header || e.value.form == formArray {
			key := strings.Join(prefix, ".")
			f.report(e.at, fmt.Errorf("cannot use %s like this: write [%s] and its settings below", key, key))
			return e, false
		}
		return entry{header: true}, true
	}
	if isPart(e.path) && (prefix == nil || e.path[0] == profileKey) {
		if n := len(e.path); prefix == nil && e.path[n-1] == "" {
			f.report(e.at, fmt.Errorf("cannot take an empty name: write [%s.NAME]", strings.Join(e.path[:n-1], ".")))
		}
		if !e.header && (len(e.path) == 1 || e.value.form != formTable) || e.value.form == formArray {
			f.report(e.at, fmt.Errorf("cannot use %s here: an app's settings stand below [app.NAME], a "+
				"profile's below [profile.NAME]", e.key()))
		}
		return e, false
	}
	inOther := prefix == nil && (e.path[0] == appKey || e.path[0] == profileKey) ||
		len(prefix) == 2 && prefix[0] == appKey && e.path[0] == profileKey
	return e, !inOther
}

// without leaves out the entries that a stronger part replaces. All listeners together are
// one setting, in whatever way they are written.
func without(entries, stronger []entry) (kept []entry) {
	set := map[string]bool{}
	for _, e := range stronger {
		set[settingOf(e)] = set[settingOf(e)] || !e.header || e.value.form == formArray
	}
	for _, e := range entries {
		if isTable := e.header && e.value.form != formArray; isTable || !set[settingOf(e)] {
			kept = append(kept, e)
		}
	}
	return kept
}

// settingOf names what an entry sets.
func settingOf(e entry) string {
	key := e.key()
	switch {
	case key == "listen", key == listenerKey, strings.HasPrefix(key, listenerKey+"."):
		return "listen"
	case key == rulesKey, strings.HasPrefix(key, rulesKey+"."):
		return rulesKey
	}
	return key
}
