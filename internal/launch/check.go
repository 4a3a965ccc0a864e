package launch

import (
	"fmt"
	"os/user"
	"strconv"
)

// Check says whether workers of a command could be started: the working
// directory and the environment files are there, the placeholders name
// listeners, the program is found and can be run. It starts and keeps nothing.
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

// CheckUser says whether a user exists. A number needs no entry in the user database.
func CheckUser(name string) error {
	if _, err := strconv.ParseUint(name, 10, 31); err == nil {
		return nil
	}
	if _, err := user.Lookup(name); err != nil {
		return fmt.Errorf("cannot find the user %q: %w; create it, or correct the name", name, err)
	}
	return nil
}

// CheckGroup says whether a group exists. A number needs no entry in the group database.
func CheckGroup(name string) error {
	if _, err := strconv.ParseUint(name, 10, 31); err == nil {
		return nil
	}
	if _, err := user.LookupGroup(name); err != nil {
		return fmt.Errorf("cannot find the group %q: %w; create it, or correct the name", name, err)
	}
	return nil
}
