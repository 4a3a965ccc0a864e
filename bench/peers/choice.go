package main

import (
	"fmt"
	"slices"
	"strings"
)

// labelled is what has a row in a table.
type labelled interface{ label() string }

// choice returns those whose name contains one of the parts; all of them, if there is no part.
func choice[T labelled](parts []string, all []T) (chosen []T) {
	for _, one := range all {
		if len(parts) == 0 || slices.ContainsFunc(parts, func(part string) bool { return contains(one.label(), part) }) {
			chosen = append(chosen, one)
		}
	}
	return chosen
}

func contains(name, part string) bool {
	return strings.Contains(strings.ToLower(name), strings.ToLower(part))
}

// rowsOf returns the names of all rows that a table can have.
func rowsOf[T labelled](all []T) (names []string) {
	for _, one := range all {
		names = append(names, one.label())
	}
	return names
}

// narrow leaves out the tables that have no row for the chosen peers. A part of a name that no row
// of a wanted table contains is an error.
func narrow(wanted, parts []string, all []table) (left []string, err error) {
	var rows []string
	for _, t := range all {
		if !slices.Contains(wanted, t.name) {
			continue
		}
		names := t.rows()
		rows = append(rows, names...)
		here := func(part string) bool {
			return slices.ContainsFunc(names, func(name string) bool { return contains(name, part) })
		}
		if len(parts) == 0 || slices.ContainsFunc(parts, here) {
			left = append(left, t.name)
		}
	}
	slices.Sort(rows)
	for _, part := range parts {
		if part == "" || !slices.ContainsFunc(rows, func(name string) bool { return contains(name, part) }) {
			return nil, fmt.Errorf("cannot find a peer whose name contains %q in %s: there are %s", part,
				strings.Join(wanted, ", "), strings.Join(slices.Compact(rows), "; "))
		}
	}
	return left, nil
}
