package systemd

import "testing"

func TestUnitOf(t *testing.T) {
	for _, test := range []struct {
		cgroup, unit string
		user         bool
	}{
		{"/system.slice/web.service", "web.service", false},
		{"/system.slice/web.service/relevo-web-3", "web.service", false},
		{"/system.slice/system-relevo.slice/relevo@web.service", "relevo@web.service", false},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/web.service", "web.service", true},
		{"/user.slice/user-1000.slice/user@1000.service/init.scope", "", false},
		{"/user.slice/user-1000.slice/session-3.scope", "", false},
		{"/", "", false},
		{"", "", false},
	} {
		if unit, user := unitOf(test.cgroup); unit != test.unit || user != test.user {
			t.Errorf("%q: %q %v, want %q %v", test.cgroup, unit, user, test.unit, test.user)
		}
	}
}
