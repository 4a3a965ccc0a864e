package config

import "slices"

// Change is one setting that differs between two configurations.
type Change struct {
	Key     string  `json:"key"`           // env.NAME and limits.rlimits.NAME for a member of a table
	Old     string  `json:"old,omitempty"` // as in a file; empty: not set; Hidden for the value of a variable
	New     string  `json:"new,omitempty"` // likewise
	Applies Applies `json:"applies"`
}

// Hidden is shown instead of a value that may be a secret.
const Hidden = "(hidden)"

// String describes the change in one line.
func (c Change) String() string {
	switch {
	case c.Old == Hidden && c.New == Hidden:
		return c.Key + " changed"
	case c.Old == "" && c.New == Hidden:
		return c.Key + " added"
	case c.Old == "":
		return c.Key + " = " + c.New + " (was not set)"
	case c.New == "":
		return c.Key + " removed"
	}
	return c.Key + " = " + c.New + " (was " + c.Old + ")"
}

// Diff returns what differs between two configurations, in the order of Settings.
func Diff(old, new App) []Change {
	var all []Change
	for _, s := range Settings() {
		if s.members != nil {
			all = append(all, s.diffMembers(&old, &new)...)
		} else if before, after := s.render(&old), s.render(&new); before != after {
			all = append(all, Change{s.Key, before, after, s.Applies})
		}
	}
	return all
}

// WithLive returns old with those settings of new that need no new workers.
func WithLive(old, new App) App { return with(old, &new, Live) }

// Reloaded returns what a running master makes of a new configuration: the settings that apply only in a new
// master stay as they are.
func Reloaded(running, new App) App { return with(new, &running, Restart) }

// with returns an App with those settings of another that apply in one way.
func with(app App, other *App, applies Applies) App {
	for _, s := range Settings() {
		if s.Applies == applies {
			s.copy(&app, other)
		}
	}
	return app
}

// diffMembers compares by name: of variables and limits the order means nothing.
// Of equal names the last counts.
func (s Setting) diffMembers(old, new *App) (all []Change) {
	before, after := map[string]string{}, map[string]string{}
	var names []string
	for _, m := range s.members(old) {
		before[m.name] = m.value
		names = append(names, m.name)
	}
	for _, m := range s.members(new) {
		after[m.name] = m.value
		names = append(names, m.name)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if before[name] == after[name] {
			continue
		}
		c := Change{s.Key + "." + name, before[name], after[name], s.Applies}
		if s.Secret {
			c.Old, c.New = hide(c.Old), hide(c.New)
		}
		all = append(all, c)
	}
	return all
}

func hide(value string) string {
	if value == "" {
		return ""
	}
	return Hidden
}
