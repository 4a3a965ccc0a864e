package launch

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
)

// OversizeError says that a variable, an argument, or all of them together are larger than
// execve(2) allows.
type OversizeError struct {
	Variable string // the variable that is too large; empty: it is an argument, or the sum
	text     string
}

func (e *OversizeError) Error() string { return e.text }

// CheckRoom returns an error if the arguments and the environment of a command's workers
// are larger than the kernel allows.
func CheckRoom(c Command) error {
	env, err := appEnv(c)
	if err != nil {
		return err
	}
	return c.checkRoom(env)
}

// checkRoom is CheckRoom for an app whose own variables are known.
func (c Command) checkRoom(app []string) error {
	if runtime.GOOS != "linux" {
		return nil
	}
	env := environ(c.inherited(), app, scene{app: c.App, listeners: c.listenerNames()})
	// MAX_ARG_STRLEN counts the closing NUL.
	longest := 32*os.Getpagesize() - 1
	total := 0
	for i, arg := range c.Args {
		if len(arg) > longest {
			return &OversizeError{
				text: fmt.Sprintf("cannot run it: argument %d (%.20q…) has %s, the kernel takes less than %s at "+
					"most; put it into a file",
					i, arg, config.SizeText(int64(len(arg))), config.SizeText(int64(longest+1)))}
		}
		total += len(arg) + entryCost
	}
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		if len(variable) > longest {
			return &OversizeError{Variable: name, text: fmt.Sprintf("cannot give workers the variable %s: it has %d bytes, "+
				"the kernel takes less than %s at most; put the value into a file, and the file's name into the variable",
				name, len(value), config.SizeText(int64(longest+1)))}
		}
		total += len(variable) + entryCost
	}
	if room := c.argumentRoom(); total > room {
		return &OversizeError{text: fmt.Sprintf("cannot run it: arguments and environment have %d bytes together, "+
			"the kernel takes %d at most (a quarter of the stack's limit); the largest variables are %s",
			total, room, strings.Join(largest(env, 3), ", "))}
	}
	return nil
}

// entryCost is what a string takes beside its bytes: the closing NUL and a pointer.
const entryCost = 1 + 8

// argumentRoom returns how many bytes execve(2) allows: a quarter of the limit of the
// stack, at least 128 KiB, at most three quarters of 8 MiB. What the kernel and the master
// add is subtracted.
func (c Command) argumentRoom() int {
	const least, most, added = 128 << 10, 6 << 20, 8 << 10
	var stack unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_STACK, &stack) != nil {
		return most
	}
	limit := uint64(stack.Cur)
	for _, l := range c.Limits.Rlimits {
		if l.Name == "stack" {
			limit = l.Soft
		}
	}
	return int(min(max(limit/4, least), most)) - added
}

func largest(env []string, count int) (names []string) {
	sorted := slices.Clone(env)
	slices.SortFunc(sorted, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, variable := range sorted[:min(count, len(sorted))] {
		name, value, _ := strings.Cut(variable, "=")
		names = append(names, fmt.Sprintf("%s (%d bytes)", name, len(value)))
	}
	return names
}
