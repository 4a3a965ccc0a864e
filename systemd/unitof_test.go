package systemd

import "testing"

func TestUnitOf(t *testing.T) {
	for _, test := range []struct {
		cgroup, unit string
		user         bool
	}{
		{"0::/system.slice/web.service\n", "web.service", false},
		{"0::/system.slice/web.service/relevo-web-3\n", "web.service", false},
		{"0::/system.slice/system-relevo.slice/relevo@web.service\n", "relevo@web.service", false},
		{"12:pids:/x.service\n0::/system.slice/web.service\n", "web.service", false},
		{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/web.service\n", "web.service", true},
		{"0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "", false},
		{"0::/user.slice/user-1000.slice/session-3.scope\n", "", false},
		{"0::/\n", "", false},
		{"", "", false},
	} {
		if unit, user := unitOf(test.cgroup); unit != test.unit || user != test.user {
			t.Errorf("%q: %q %v, want %q %v", test.cgroup, unit, user, test.unit, test.user)
		}
	}
}
