package imports

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// optionSet maps the options of a program to names; a name that ends in "=" takes a value.
type optionSet map[string]string

type option struct{ key, value string }

// read returns the options of a command line and the remaining words. If mixed, options may follow
// other words.
func (o optionSet) read(args []string, mixed bool) (all []option, rest []string, err error) {
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		switch {
		case word == "--":
			return all, append(rest, args...), nil
		case len(word) < 2 || word[0] != '-':
			rest = append(rest, word)
			if !mixed {
				return all, append(rest, args...), nil
			}
			continue
		}
		name, value, has := o.find(word)
		if name == "" {
			return nil, nil, fmt.Errorf("the option %s is not known", word)
		}
		key, takes := strings.CutSuffix(name, "=")
		switch {
		case takes && !has && len(args) == 0:
			return nil, nil, fmt.Errorf("the option %s needs a value", word)
		case takes && !has:
			value, args = args[0], args[1:]
		case !takes && has && !strings.HasPrefix(word, "--"): // short options in one word
			args = append([]string{"-" + value}, args...)
			value = ""
		}
		all = append(all, option{key, value})
	}
	return all, rest, nil
}

// find returns the name of an option. Long options may be abbreviated; short options may contain
// their value.
func (o optionSet) find(word string) (name, value string, has bool) {
	if name := o[word]; name != "" {
		return name, "", false
	}
	if !strings.HasPrefix(word, "--") {
		return o[word[:2]], strings.TrimPrefix(word[2:], "="), true
	}
	long, value, has := strings.Cut(word, "=")
	if name := o[long]; name != "" {
		return name, value, has
	}
	names := map[string]bool{}
	for _, written := range slices.Sorted(maps.Keys(o)) {
		if strings.HasPrefix(written, long) {
			names[o[written]] = true
			name = o[written]
		}
	}
	if len(names) > 1 {
		return "", "", false
	}
	return name, value, has
}
