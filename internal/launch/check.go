package launch

import (
	"fmt"
	"os/user"
	"strconv"
)

// Check returns an error if workers of a command could not be started. It checks that the
// working directory and the environment files exist, that the placeholders name listeners,
// and that the program is found and may be run. It starts nothing and keeps nothing open.
func Check(c Command) error {
	dir, err := resolveDir(c.Dir)
	if err != nil {
		return err
	}
	env, err := appEnv(c)
	if err != nil {
		return err
	}
	if err := CheckArguments(c.Args, c.listenerNames()); err != nil {
		return err
	}
	if _, err := CheckVariables(c.Env, c.listenerNames()); err != nil {
		return err
	}
	_, err = findExecutable(c.Args[0], dir, pathOf(environ(c.inherited(), env, scene{})))
	return err
}

// CheckUser returns an error if a user does not exist. A number needs no entry in passwd(5).
func CheckUser(name string) error {
	if _, err := strconv.ParseUint(name, 10, 31); err == nil {
		return nil
	}
	if _, err := user.Lookup(name); err != nil {
		return fmt.Errorf("cannot find the user %q: %w; create it, or correct the name", name, err)
	}
	return nil
}

// CheckGroup returns an error if a group does not exist. A number needs no entry in group(5).
func CheckGroup(name string) error {
	if _, err := strconv.ParseUint(name, 10, 31); err == nil {
		return nil
	}
	if _, err := user.LookupGroup(name); err != nil {
		return fmt.Errorf("cannot find the group %q: %w; create it, or correct the name", name, err)
	}
	return nil
}
