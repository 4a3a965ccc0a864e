package apps

import (
	"path/filepath"
	"slices"
	"strings"

	"relevo/internal/config"
)

// EnvFile holds the variables with which the service manager starts an app.
func (p Places) EnvFile(name string) string { return filepath.Join(p.AppState(name), "environment") }

// SaveEnv writes that file, for its owner alone: values may be secrets.
func (p Places) SaveEnv(name string, text []byte) error {
	return replaceAll(file{p.EnvFile(name), text})
}

// ForgetEnv removes it.
func (p Places) ForgetEnv(name string) error { return removeAll(p.EnvFile(name)) }

// ofSession are variables of a login, a terminal, or a service: another start of the app has
// its own. A * at the end stands for anything.
func ofSession() []string {
	return []string{
		"SSH_*", "SUDO_*", "XDG_SESSION_*", "XDG_RUNTIME_DIR", "XDG_SEAT*", "XDG_VTNR", "DISPLAY",
		"WAYLAND_DISPLAY", "XAUTHORITY",
		"TERM*", "COLORTERM", "COLUMNS", "LINES", "WINDOWID", "TMUX*", "STY", "SHLVL", "_", "OLDPWD", "PWD", "LS_COLORS",
		"LESSOPEN", "LESSCLOSE", "MAIL", "PS1", "PROMPT_COMMAND", "HIST*", "DBUS_SESSION_BUS_ADDRESS", "GPG_AGENT_INFO",
		"MANAGERPID*", "CREDENTIALS_DIRECTORY", "MEMORY_PRESSURE_*", "LOGS_DIRECTORY", "STATE_DIRECTORY",
		"RUNTIME_DIRECTORY", "CACHE_DIRECTORY", "CONFIGURATION_DIRECTORY",
	}
}

// BootEnviron parts the variables of a start into those that stand in the unit for all to
// see, and the app's own. What speaks of the session of the start is in neither.
func (d Definition) BootEnviron(env []string, places config.Places) (open, own []string) {
	session := config.EnvInherit{Only: true, Names: ofSession()}
	for _, variable := range d.environ(Environ(env, places)) {
		switch name, _, _ := strings.Cut(variable, "="); {
		case slices.Contains([]string{"HOME", "USER", "LOGNAME", "RELEVO_RUNTIME_DIR", "RELEVO_STATE_DIR"}, name):
			open = append(open, variable)
		case name == "PATH":
			continue // once: d.environ has put it last
		case !session.Takes(name):
			own = append(own, variable)
		}
	}
	for _, variable := range slices.Backward(d.environ(env)) {
		if strings.HasPrefix(variable, "PATH=") {
			open = append(open, variable)
			break
		}
	}
	return open, own
}
