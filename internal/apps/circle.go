package apps

import (
	"fmt"
	"slices"
	"strings"
)

// refuseCircles returns the apps, with an error for those that wait for each other.
func refuseCircles(all []Wanted) []Wanted {
	all = slices.Clone(all)
	byName := map[string]*Wanted{}
	for i := range all {
		byName[all[i].Name] = &all[i]
	}
	for i := range all {
		if all[i].Err != nil {
			continue
		}
		circle := wayBack(&all[i], byName)
		for _, member := range circle {
			if member.Err == nil {
				member.Err = circleError(circle)
			}
		}
	}
	return all
}

// wayBack returns the apps on the way from an app to itself, along what each waits for; nil: there
// is no such way.
func wayBack(from *Wanted, byName map[string]*Wanted) []*Wanted {
	visited := map[string]bool{}
	var visit func(at *Wanted) []*Wanted
	visit = func(at *Wanted) []*Wanted {
		for _, name := range at.After {
			if name == from.Name {
				return []*Wanted{at}
			}
			next := byName[name]
			if next == nil || visited[name] {
				continue
			}
			visited[name] = true
			if way := visit(next); way != nil {
				return append([]*Wanted{at}, way...)
			}
		}
		return nil
	}
	return visit(from)
}

func circleError(circle []*Wanted) error {
	var names, files []string
	for _, w := range circle {
		names = append(names, w.Name)
		if !slices.Contains(files, w.Config) {
			files = append(files, w.Config)
		}
	}
	return fmt.Errorf("cannot start %s, %s: each waits for the next; take an after away in %s, then type relevo start %s",
		strings.Join(names, ", "), names[0], strings.Join(files, " or "), strings.Join(names, " "))
}
