package cli

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"relevo/internal/config"
	"relevo/internal/prove"
)

// A flag that was given but can have no effect is refused. Otherwise an empty text (a variable that
// is not set) or a zero would silently count as not given.

// notEmpty refuses an empty text.
func notEmpty(what string) func(string) error {
	return func(text string) error {
		if text == "" {
			return fmt.Errorf("cannot use an empty text as %s: write it, or leave the flag out", what)
		}
		return nil
	}
}

// numberFlag is a number with a lower bound.
type numberFlag struct {
	value *int
	least int
}

func (f numberFlag) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < f.least {
		return fmt.Errorf("cannot use %q: write a whole number from %d on", text, f.least)
	}
	*f.value = n
	return nil
}

func (f numberFlag) String() string {
	if f.value == nil || *f.value < f.least {
		return ""
	}
	return strconv.Itoa(*f.value)
}

func (f numberFlag) Type() string { return "int" }

// statusClass is the first digit of a status that a server may answer with.
type statusClass struct{ value *int }

func (f statusClass) Set(text string) error {
	if len(text) != 1 || text < "2" || text > "5" {
		return fmt.Errorf("cannot use %q: write the first digit of the status, 2 to 5", text)
	}
	*f.value = int(text[0] - '0')
	return nil
}

func (f statusClass) String() string {
	if f.value == nil || *f.value == 0 {
		return ""
	}
	return strconv.Itoa(*f.value)
}

func (f statusClass) Type() string { return "int" }

// someTime is a duration above 0.
type someTime struct{ durationFlag }

func (f someTime) Set(text string) error {
	var d time.Duration
	if err := (durationFlag{&d}).Set(text); err != nil {
		return err
	}
	if d <= 0 {
		return fmt.Errorf("cannot use %s: write a time above 0, or leave the flag out", text)
	}
	*f.value = d
	return nil
}

// check refuses flags that name one worker in two ways.
func (t *targetFlags) check() error {
	if t.slot >= 0 && t.id != "" {
		return usage(errors.New("cannot use --slot and --id at the same time: each names one worker; leave one out"))
	}
	return nil
}

// proveFlags refuses flags of prove that have no effect together.
func proveFlags(flags *pflag.FlagSet, o prove.Options) error {
	for _, name := range []string{"clients", "pause"} {
		if flags.Changed(name) && o.Rate > 0 {
			return fmt.Errorf("cannot use --%s with --rate: the schedule decides how many clients there are and when "+
				"they send; leave one of them out", name)
		}
	}
	if o.During != nil {
		return duringFlags(flags, o)
	}
	for _, name := range []string{"times", "every"} {
		if flags.Changed(name) {
			return fmt.Errorf("cannot use --%s: no command is run; add --during COMMAND, or leave it out", name)
		}
	}
	switch {
	case flags.Changed("kill-every") && !o.Kill:
		return errors.New("cannot use --kill-every: no worker is killed; add --kill, or leave it out")
	case flags.Changed("duration") && o.Duration == 0 && o.MinRequests == 0 && (o.Kill || o.Rolls == prove.NoRolls):
		return errors.New("cannot load for 0s: no roll is waited for; write --duration 10s, or leave it out")
	}
	return nil
}

// duringFlags refuses flags that need a master beside a command that is run without one.
func duringFlags(flags *pflag.FlagSet, o prove.Options) error {
	if o.URL == "" {
		return errors.New("cannot tell what to load during the command: no master is asked; add --url URL")
	}
	for name, instead := range map[string]string{"rolls": "how often the command runs is --times",
		"kill": "no master is asked", "kill-every": "no master is asked"} {
		if flags.Changed(name) {
			return fmt.Errorf("cannot use --%s with --during: %s; leave one of them out", name, instead)
		}
	}
	return nil
}

// devFlags refuses flags of dev that have no effect here.
func devFlags(s config.Sources, app config.App) error {
	switch {
	case s.Flags["watch_binary"] != nil && app.WatchBinary:
		return errors.New("cannot use --watch-binary in development: what is saved is built, and each build " +
			"rolls; leave it out")
	case app.Dev.Delve && app.Dev.Package == "":
		return errors.New("cannot use --delve: it builds a Go package for the debugger, and here a command is " +
			"run; name the package, or leave it out")
	}
	return nil
}
