package config

import (
	"os"
	"strings"
	"testing"
)

func TestFindPlaces(t *testing.T) {
	temp := strings.TrimSuffix(os.TempDir(), "/")
	for name, c := range map[string]struct {
		env  map[string]string
		uid  int
		want Places
	}{
		"root": {uid: 0, want: Places{Runtime: "/run/relevo", State: "/var/lib/relevo"}},
		"root ignores XDG": {
			env: map[string]string{"XDG_RUNTIME_DIR": "/run/user/0", "XDG_STATE_HOME": "/s", "HOME": "/root"}, uid: 0,
			want: Places{Runtime: "/run/relevo", State: "/var/lib/relevo"},
		},
		"user": {
			env: map[string]string{"XDG_RUNTIME_DIR": "/run/user/7", "XDG_STATE_HOME": "/s", "HOME": "/home/u"}, uid: 7,
			want: Places{Runtime: "/run/user/7/relevo", State: "/s/relevo"},
		},
		"user without XDG_STATE_HOME": {
			env: map[string]string{"XDG_RUNTIME_DIR": "/run/user/7", "HOME": "/home/u"}, uid: 7,
			want: Places{Runtime: "/run/user/7/relevo", State: "/home/u/.local/state/relevo"},
		},
		"user with nothing": {
			uid: 7,
			want: Places{
				Runtime: temp + "/relevo-7", State: temp + "/relevo-7/state/relevo",
				Warning: "XDG_RUNTIME_DIR is not set: sockets go to " + temp + "/relevo-7",
			},
		},
		"overridden": {
			env: map[string]string{"RELEVO_RUNTIME_DIR": "/r", "RELEVO_STATE_DIR": "/st"}, uid: 7,
			want: Places{Runtime: "/r", State: "/st"},
		},
		"overridden for root": {
			env: map[string]string{"RELEVO_RUNTIME_DIR": "/r", "RELEVO_STATE_DIR": "/st"}, uid: 0,
			want: Places{Runtime: "/r", State: "/st"},
		},
		"state alone overridden": {
			env: map[string]string{"RELEVO_STATE_DIR": "/st", "XDG_RUNTIME_DIR": "/run/user/7"}, uid: 7,
			want: Places{Runtime: "/run/user/7/relevo", State: "/st"},
		},
	} {
		if got := FindPlaces(func(key string) string { return c.env[key] }, c.uid); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestPlacesOfAnApp(t *testing.T) {
	p := Places{Runtime: "/run/relevo", State: "/var/lib/relevo"}
	for got, want := range map[string]string{
		p.ControlSocket("shop"): "/run/relevo/shop.sock",
		p.NotifySocket("shop"):  "/run/relevo/shop.notify",
		p.Lock("shop"):          "/run/relevo/shop.lock",
		p.AppState("shop"):      "/var/lib/relevo/shop",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
