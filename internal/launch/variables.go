package launch

import (
	"fmt"
	"os"
	"strings"

	"relevo/internal/config"
)

// inherited returns what workers get of relevo's own environment.
func (c Command) inherited() []string {
	var env []string
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); c.EnvInherit.Takes(name) {
			env = append(env, variable)
		}
	}
	return env
}

// appEnv returns the app's variables: those of its environment files, then those of its
// configuration. A variable without a value is taken from relevo's own environment.
func appEnv(c Command) ([]string, error) {
	var env []string
	for _, path := range c.EnvFiles {
		variables, err := config.ReadEnvFile(path)
		if err != nil {
			return nil, err
		}
		env = append(env, variables...)
	}
	for _, variable := range c.Env {
		if !strings.Contains(variable, "=") {
			value, set := os.LookupEnv(variable)
			if !set {
				return nil, fmt.Errorf("cannot take the variable %s from relevo's environment: it is not set there; "+
					"set it, or write %s=VALUE", variable, variable)
			}
			variable += "=" + value
		}
		env = append(env, variable)
	}
	return env, nil
}

// CheckVariables returns an error if a placeholder in an app's own variables names no
// listener of the app. key is the configuration key of that variable.
func CheckVariables(env, listeners []string) (key string, err error) {
	var fds []listenerFD
	for _, name := range listeners {
		fds = append(fds, listenerFD{name: name})
	}
	for _, variable := range env {
		if _, err := expandVariable(variable, fds, 0); err != nil {
			name, _, _ := strings.Cut(variable, "=")
			return "env." + name, err
		}
	}
	return "", nil
}

// expandVariable fills in the placeholders of a variable's value. The error names the
// variable and not the value, which may be a secret.
func expandVariable(variable string, listeners []listenerFD, slot int) (string, error) {
	name, value, _ := strings.Cut(variable, "=")
	value, found, err := expandText(value, listeners, slot)
	if err != nil {
		return "", fmt.Errorf("cannot fill in %s in the variable %s: %w", found, name, err)
	}
	return name + "=" + value, nil
}

// expandEnv fills in the placeholders in the variables of the app's configuration. Variables
// of environment files and of relevo's environment are left as they are.
func (r *Release) expandEnv(listeners []listenerFD, slot int) ([]string, error) {
	own := map[string]bool{}
	for _, variable := range r.command.Env {
		own[variable] = strings.Contains(variable, "=")
	}
	env := make([]string, len(r.env))
	for i, variable := range r.env {
		env[i] = variable
		if own[variable] {
			var err error
			if env[i], err = expandVariable(variable, listeners, slot); err != nil {
				return nil, err
			}
		}
	}
	return env, nil
}
