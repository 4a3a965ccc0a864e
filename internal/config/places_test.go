package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestFindPlaces(t *testing.T) {
	temp := strings.TrimSuffix(os.TempDir(), "/")
	for name, c := range map[string]struct {
		env      map[string]string
		uid      int
		unusable string
		want     Places
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
		"runtime alone overridden for a user without HOME": {
			env: map[string]string{"RELEVO_RUNTIME_DIR": "/r"}, uid: 7,
			want: Places{Runtime: "/r", State: "/r/state/relevo"},
		},
		"root of a container, read-only": {
			uid: 0, unusable: "/run/relevo",
			want: Places{
				Runtime: "/dev/shm/relevo-0", State: "/var/lib/relevo",
				Warning: "cannot use /run/relevo: sockets go to /dev/shm/relevo-0; RELEVO_RUNTIME_DIR chooses a place",
			},
		},
		"user with somebody else's XDG_RUNTIME_DIR": {
			env: map[string]string{"XDG_RUNTIME_DIR": "/run/user/0", "HOME": "/home/u"}, uid: 7, unusable: "/run/user/0/relevo",
			want: Places{
				Runtime: temp + "/relevo-7", State: "/home/u/.local/state/relevo",
				Warning: "cannot use /run/user/0/relevo: sockets go to " + temp + "/relevo-7; RELEVO_RUNTIME_DIR chooses a place",
			},
		},
		"user with nothing, read-only": {
			uid: 7, unusable: temp + "/relevo-7",
			want: Places{
				Runtime: "/dev/shm/relevo-7", State: "/dev/shm/relevo-7/state/relevo",
				Warning: "cannot use " + temp + "/relevo-7: sockets go to /dev/shm/relevo-7; RELEVO_RUNTIME_DIR chooses a place",
			},
		},
		"root with no place at all": {
			uid: 0, unusable: "/",
			want: Places{Runtime: "/run/relevo", State: "/var/lib/relevo"},
		},
		"a place that was chosen is taken as it is": {
			env: map[string]string{"RELEVO_RUNTIME_DIR": "/r"}, uid: 0, unusable: "/",
			want: Places{Runtime: "/r", State: "/var/lib/relevo"},
		},
		"state alone overridden": {
			env: map[string]string{"RELEVO_STATE_DIR": "/st", "XDG_RUNTIME_DIR": "/run/user/7"}, uid: 7,
			want: Places{Runtime: "/run/user/7/relevo", State: "/st"},
		},
	} {
		usable := func(dir string) bool { return c.unusable == "" || !strings.HasPrefix(dir, c.unusable) }
		got := FindPlaces(func(key string) string { return c.env[key] }, c.uid, usable)
		if got.Others = nil; !reflect.DeepEqual(got, c.want) { // TestOtherRuntimes has them
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

func TestUsableDir(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/file", nil, 0o777); err != nil {
		t.Fatal(err)
	}
	open := dir + "/open"
	if err := errors.Join(os.Mkdir(open, 0o755), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		dir:             true,
		dir + "/a":      true,
		dir + "/a/b/c":  true,
		dir + "/file/a": false, // not even for root
		open:            false, // others could have put something there first
		open + "/a":     false,
	} {
		if got := UsableDir(path); got != want {
			t.Errorf("%s: got %v", path, got)
		}
	}
}

// TestOtherRuntimes: a shell of a login finds what cron has started, and the other way round. Root and a
// directory that was chosen have one place.
func TestOtherRuntimes(t *testing.T) {
	temp, login := filepath.Join(os.TempDir(), "relevo-7"), map[string]string{"XDG_RUNTIME_DIR": "/run/user/7"}
	for name, c := range map[string]struct {
		env      map[string]string
		uid      int
		unusable string
		want     []string
	}{
		"login":                       {env: login, uid: 7, want: []string{temp, "/dev/shm/relevo-7"}},
		"cron":                        {uid: 7, want: []string{"/run/user/7/relevo", "/dev/shm/relevo-7"}},
		"a directory of another user": {env: login, uid: 7, unusable: temp, want: []string{"/dev/shm/relevo-7"}},
		"a directory that was chosen": {env: map[string]string{"RELEVO_RUNTIME_DIR": "/r"}, uid: 7},
		"root":                        {env: login},
	} {
		usable := func(dir string) bool { return dir != c.unusable }
		got := FindPlaces(func(name string) string { return c.env[name] }, c.uid, usable).Others
		got = slices.DeleteFunc(got, func(dir string) bool { return dir == "/tmp/relevo-7" && temp != dir })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
