package worker

import (
	"reflect"
	"strings"
	"testing"
)

func env(pairs ...string) func(string) string {
	m := make(map[string]string)
	for _, p := range pairs {
		k, v, _ := strings.Cut(p, "=")
		m[k] = v
	}
	return func(k string) string { return m[k] }
}

func TestReadPlace(t *testing.T) {
	relevo := []string{"RELEVO_NAME=shop", "RELEVO_SLOT=2", "RELEVO_WORKER=w7", "RELEVO_GENERATION=3"}
	self := Self{Name: "shop", Slot: 2, ID: "w7", Generation: 3}
	for _, c := range []struct {
		name string
		env  []string
		want place
	}{
		{"nothing", nil, place{channelFD: -1}},
		{"relevo", append([]string{"LISTEN_PID=10", "LISTEN_FDS=2", "LISTEN_FDNAMES=a:b", "RELEVO_IPC_FD=5",
			"NOTIFY_SOCKET=/n"}, relevo...),
			place{managed: true, identified: true, self: self, names: []string{"a", "b"}, channelFD: 5, notify: "/n"}},
		{"relevo without listeners", relevo, place{managed: true, identified: true, self: self, channelFD: -1}},
		{"systemd without names", []string{"LISTEN_PID=10", "LISTEN_FDS=2"},
			place{managed: true, names: []string{"", ""}, channelFD: -1}},
		{"more names than sockets", []string{"LISTEN_PID=10", "LISTEN_FDS=1", "LISTEN_FDNAMES=a:b"},
			place{managed: true, names: []string{"a"}, channelFD: -1}},
		{"a service that notifies", []string{"NOTIFY_SOCKET=@n"}, place{channelFD: -1, notify: "@n"}},
		{"sockets without LISTEN_PID", []string{"LISTEN_FDS=2"}, place{channelFD: -1}},
		{"a child of a worker", append([]string{"LISTEN_PID=9", "LISTEN_FDS=2", "RELEVO_IPC_FD=5", "NOTIFY_SOCKET=/n"},
			relevo...),
			place{channelFD: -1, stranger: "9"}},
	} {
		got, err := readPlace(env(c.env...), 10)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
}

func TestReadPlaceRefusesNonsense(t *testing.T) {
	for _, bad := range []string{"LISTEN_FDS=many", "LISTEN_FDS=-1", "RELEVO_SLOT=x", "RELEVO_SLOT=",
		"RELEVO_GENERATION=-2", "RELEVO_IPC_FD=three"} {
		key, _, _ := strings.Cut(bad, "=")
		good := []string{"LISTEN_PID=10", "RELEVO_WORKER=w1", "RELEVO_SLOT=0", "RELEVO_GENERATION=1"}
		p := newProc(env(append(good, bad)...), 10)
		_, err := p.listen("tcp", "127.0.0.1:0")
		if err == nil || !strings.Contains(err.Error(), key) || !p.managed {
			t.Errorf("%s: listen says %v", bad, err)
		}
	}
}
