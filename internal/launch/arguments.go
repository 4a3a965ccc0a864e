package launch

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"relevo/internal/lazyregexp"
)

// Listener is an inherited listening socket as arguments may name it.
type listenerFD struct {
	name    string
	address string // as getsockname says it
	fd      int
}

var placeholder = lazyregexp.New(`\{(:*)(fd|addr|slot|out)(?::([A-Za-z0-9._-]+))?\}`)

// CheckArguments returns an error if a placeholder names no listener of the app.
func CheckArguments(args []string, listeners []string) error {
	var fds []listenerFD
	for _, name := range listeners {
		fds = append(fds, listenerFD{name: name})
	}
	_, err := expand(args, fds, 0)
	return err
}

// expand fills in {fd} {fd:NAME} {addr} {addr:NAME} {slot}. Without a NAME it uses the
// first listener. Anything else in braces is left alone, and so is {fd:3} if no listener
// is named 3: in JavaScript it is an argument of listen. {:fd} stands for the text {fd},
// {::fd} for {:fd}, and so on.
func expand(args []string, listeners []listenerFD, slot int) ([]string, error) {
	out := make([]string, len(args))
	var failed error
	for i, arg := range args {
		text, found, err := expandText(arg, listeners, slot)
		if err != nil && failed == nil {
			failed = fmt.Errorf("cannot fill in %s in the argument %q: %w", found, arg, err)
		}
		out[i] = text
	}
	return out, failed
}

// expandText fills in one text. With an error it returns the placeholder that was found.
func expandText(text string, listeners []listenerFD, slot int) (expanded, found string, err error) {
	if !strings.Contains(text, "{") { // most texts: a master that uses no expression is smaller
		return text, "", nil
	}
	expanded = placeholder.ReplaceAllStringFunc(text, func(one string) string {
		value, failed := fill(one, listeners, slot)
		if failed != nil && err == nil {
			found, err = one, failed
		}
		return value
	})
	return expanded, found, err
}

func fill(found string, listeners []listenerFD, slot int) (string, error) {
	parts := placeholder.FindStringSubmatch(found)
	colons, kind, name := parts[1], parts[2], parts[3]
	switch {
	case colons != "":
		return "{" + found[2:], nil
	case kind == "out": // of dev's, which was filled in before
		return found, nil
	case kind == "slot":
		if name != "" {
			return found, nil
		}
		return strconv.Itoa(slot), nil
	}
	for _, l := range listeners {
		if name == "" || l.name == name {
			if kind == "fd" {
				return strconv.Itoa(l.fd), nil
			}
			return l.address, nil
		}
	}
	if name != "" && strings.Trim(name, "0123456789") == "" {
		return found, nil
	}
	if len(listeners) == 0 {
		return "", errors.New("the app has no listener; add one with --listen")
	}
	var known []string
	for _, l := range listeners {
		known = append(known, l.name)
	}
	return "", fmt.Errorf("no listener is named %q (there are: %s)", name, strings.Join(known, ", "))
}
