package config

import (
	"slices"
	"strings"
	"syscall"
)

// Compat says for which other manager a program was written, whose conventions its workers
// get.
type Compat string

// The choices.
const (
	CompatOff Compat = "off"
	// CompatPM2 is PM2: workers have pm_id and NODE_APP_INSTANCE, are stopped by SIGINT or the
	// message "shutdown", and a Node program is ready when it calls process.send('ready').
	CompatPM2 Compat = "pm2"
)

// complete sets what the settings do not say themselves.
func (c Compat) complete(app *App, given func(key string) bool) {
	if c != CompatPM2 {
		return
	}
	if !given("stop_signal") {
		app.StopSignal = syscall.SIGINT
	}
	for _, name := range []string{"NODE_APP_INSTANCE", "pm_id"} {
		own := func(variable string) bool { return strings.HasPrefix(variable, name+"=") }
		if !slices.ContainsFunc(app.Env, own) {
			app.Env = append(app.Env, name+"={slot}")
		}
	}
}
