package imports

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// optionSet are the options of a program, as they are written, with the name of each; one that
// takes a value has "=" behind its name.
type optionSet map[string]string

type option struct{ key, value string }

// read returns the options of a command line, and what follows them. Where mixed, options may
// stand behind other words.
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
		case !takes && has && !strings.HasPrefix(word, "--"): // short options that stand together
			args = append([]string{"-" + value}, args...)
			value = ""
		}
		all = append(all, option{key, value})
	}
	return all, rest, nil
}

// find returns the name of an option: long ones may be shortened, short ones have their value
// behind them.
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
