package config

import (
	"slices"
	"syscall"
	"testing"
)

// TestCompat: what the settings say themselves stays.
func TestCompat(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		flags  map[string][]string
		signal syscall.Signal
		env    []string
	}{
		{nil, syscall.SIGTERM, nil},
		{map[string][]string{"compat": {"pm2"}}, syscall.SIGINT, []string{"NODE_APP_INSTANCE={slot}", "pm_id={slot}"}},
		{map[string][]string{"compat": {"pm2"}, "stop_signal": {"TERM"}, "env": {"pm_id=7"}}, syscall.SIGTERM,
			[]string{"pm_id=7", "NODE_APP_INSTANCE={slot}"}},
	} {
		flags := map[string][]string{"command": {"./app"}}
		for key, texts := range test.flags {
			flags[key] = texts
		}
		app, err := Sources{Defaults: Default(), Dir: "/srv", Flags: flags}.Resolve()
		if err != nil || app.StopSignal != test.signal || !slices.Equal(app.Env, test.env) {
			t.Errorf("%v: %v, %q, %v", test.flags, app.StopSignal, app.Env, err)
		}
	}
}
