package runtimes

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// nodeRelease reads "v22.18.0".
func nodeRelease(version string) (major, minor int, ok bool) {
	n, _ := fmt.Sscanf(version, "v%d.%d", &major, &minor)
	return major, minor, n == 2
}

// nodeNotes warn if the installed Node is not the version that the project asks for.
func nodeNotes(m Machine, dir string, c Command) (notes []string) {
	if len(c.Args) == 0 || !(slices.Contains([]string{"node", "tsx"}, filepath.Base(c.Args[0])) || len(c.Path) > 0) {
		return nil
	}
	from := or(c.Dir, dir)
	if at := Parse(c.Args); at.Script > 0 {
		from = filepath.Dir(under(from, c.Args[at.Script]))
	}
	for _, wish := range nodeWishes(m, from) {
		version := m.NodeVersion()
		if fits, known := satisfies(version, wish.version); known && !fits {
			notes = append(notes, fmt.Sprintf("Node %s is run, and %s asks for %s; to run another one, put its directory "+
				"first in PATH: --env PATH=DIR:$PATH", version, wish.file, wish.version))
		}
	}
	return notes
}

// wish is a version of Node that a file of the project asks for.
type wish struct{ file, version string }

// pinnedNode is the version in the nearest file of a version manager.
func pinnedNode(m Machine, dir string) (wish, bool) {
	for _, name := range []string{".nvmrc", ".node-version"} {
		place := above(dir, func(d string) bool { return m.IsFile(filepath.Join(d, name)) })
		if place == "" {
			continue
		}
		if text, err := m.ReadFile(filepath.Join(place, name)); err == nil {
			line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
			return wish{filepath.Join(place, name), strings.TrimSpace(line)}, true
		}
	}
	return wish{}, false
}

func nodeWishes(m Machine, dir string) (all []wish) {
	if pinned, ok := pinnedNode(m, dir); ok {
		all = append(all, pinned)
	}
	home := above(dir, func(d string) bool { return m.IsFile(filepath.Join(d, "package.json")) })
	if home == "" {
		return all
	}
	about, err := readManifest(m, home)
	if engines, ok := about.Engines.(map[string]any); err == nil && ok {
		if node, ok := engines["node"].(string); ok {
			all = append(all, wish{filepath.Join(home, "package.json"), node})
		}
	}
	return all
}

// satisfies says whether a version lies in a range, as npm writes ranges. known is false if
// the version or the range cannot be read: it may be a name like lts/iron.
func satisfies(version, wanted string) (fits, known bool) {
	have, n := numbers(version)
	if n < 3 || strings.TrimSpace(wanted) == "" {
		return false, false
	}
	for alternative := range strings.SplitSeq(wanted, "||") {
		low, high, ok := interval(alternative)
		if !ok {
			return false, false
		}
		if slices.Compare(have[:], low[:]) >= 0 && slices.Compare(have[:], high[:]) < 0 {
			fits = true
		}
	}
	return fits, true
}

// endless is larger than the number of any version.
const endless = 1 << 30

// interval returns the versions that a set of comparators allows: low or newer, and older than high.
func interval(text string) (low, high [3]int, ok bool) {
	high = [3]int{endless}
	words := strings.Fields(text)
	if len(words) == 3 && words[1] == "-" {
		words = []string{">=" + words[0], "<=" + words[2]}
	}
	for i := 0; i < len(words); i++ {
		operator := words[i][:len(words[i])-len(strings.TrimLeft(words[i], "<>=~^"))]
		word := words[i][len(operator):]
		if word == "" && i+1 < len(words) { // ">= 18"
			i++
			word = words[i]
		}
		from, n := numbers(word)
		if n < 0 {
			return low, high, false
		}
		l, h := comparator(operator, from, n)
		if slices.Compare(l[:], low[:]) > 0 {
			low = l
		}
		if slices.Compare(h[:], high[:]) < 0 {
			high = h
		}
	}
	return low, high, true
}

// comparator returns the versions that a comparator allows. Its version has n numbers.
func comparator(operator string, from [3]int, n int) (low, high [3]int) {
	next := from // the first version after all that begin with these numbers
	if n == 0 {
		next = [3]int{endless}
	} else {
		next[n-1]++
	}
	switch operator {
	case ">=":
		return from, [3]int{endless}
	case ">":
		return next, [3]int{endless}
	case "<":
		return low, from
	case "<=":
		return low, next
	case "^":
		if n > 0 && from[0] > 0 {
			next = [3]int{from[0] + 1}
		}
	case "~":
		if n > 2 {
			next = [3]int{from[0], from[1] + 1}
		}
	}
	return from, next
}

// numbers reads v20, 20.x or 20.1.2. n is how many numbers it has; -1: the text is no version.
func numbers(text string) (parts [3]int, n int) {
	text = strings.TrimPrefix(text, "v")
	text, _, _ = strings.Cut(text, "-") // a prerelease, as 20.0.0-rc.1
	for word := range strings.SplitSeq(text, ".") {
		if word == "x" || word == "X" || word == "*" {
			return parts, n
		}
		number, err := strconv.Atoi(word)
		if err != nil || n == 3 || number < 0 {
			return parts, -1
		}
		parts[n] = number
		n++
	}
	return parts, n
}
