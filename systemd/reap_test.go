package systemd

import "testing"

func TestFinal(t *testing.T) {
	for _, test := range []struct {
		name string
		e    Ending
		want bool
	}{
		{"stop", Ending{"success", "exited", "0", "stop"}, true},
		{"killed while it stops", Ending{"signal", "killed", "KILL", "stop"}, true},
		{"does not stop in time", Ending{"timeout", "killed", "KILL", "stop"}, true},
		{"restart", Ending{"success", "exited", "0", "restart"}, true},
		{"killed while it restarts", Ending{"signal", "killed", "KILL", "restart"}, true},
		{"stopped by its own command", Ending{"success", "exited", "0", ""}, true},
		{"killed", Ending{"signal", "killed", "KILL", ""}, false},
		{"killed, and somebody asks for a start", Ending{"signal", "killed", "KILL", "start"}, false},
		{"panic", Ending{"exit-code", "exited", "2", ""}, false},
		{"watchdog", Ending{"watchdog", "dumped", "ABRT", ""}, false},
		{"start failed", Ending{"exit-code", "exited", "1", ""}, false},
		{"configuration", Ending{"exit-code", "exited", "6", ""}, true},
		{"a signal of that number", Ending{"signal", "killed", "6", ""}, false},
		{"start timed out", Ending{"timeout", "killed", "TERM", ""}, false},
	} {
		if got := test.e.Final("6"); got != test.want {
			t.Errorf("%s: final %v, want %v", test.name, got, test.want)
		}
	}
}

func TestJobOf(t *testing.T) {
	const list = "12 other.service start waiting\n344 shop.service restart running\n9 shop.socket stop running\n"
	for unit, want := range map[string]string{"shop.service": "restart", "shop.socket": "stop", "hop.service": "",
		"shop": ""} {
		if got := jobOf(unit, list); got != want {
			t.Errorf("%s: %q, want %q", unit, got, want)
		}
	}
	if got := jobOf("shop.service", "No jobs listed.\n"); got != "" {
		t.Errorf("%q", got)
	}
}
