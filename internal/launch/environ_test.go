package launch

import (
	"slices"
	"strings"
	"testing"

	"relevo/pool"
)

func TestEnviron(t *testing.T) {
	master := []string{
		"PATH=/bin", "HOME=/root", "EMPTY=", "LANG=C", "NOVALUE",
		"TABLEFLIP_HAS_PARENT_7DIU3=yes", "NOTIFY_SOCKET=/run/systemd/notify", "LISTEN_PID=1", "LISTEN_FDS=2",
		"LISTEN_FDNAMES=a:b", "LISTEN_PIDFDID=9", "WATCHDOG_USEC=1", "WATCHDOG_PID=1", "FDSTORE=5", "MAINPID=1",
		"JOURNAL_STREAM=8:1", "SYSTEMD_EXEC_PID=1", "RELEVO_NAME=outer", "RELEVO_STATE_DIR=/s", "RELEVO_CONTROL=/outer.sock",
		"RELEVO_",
		"NODE_CHANNEL_FD=3", "NODE_CHANNEL_SERIALIZATION_MODE=json", "NODE_UNIQUE_ID=1",
		"INVOCATION_ID=kept", "LISTENER=kept", "NODE_ENV=kept", "MY_NOTIFY_SOCKET=kept", "WATCHDOG=kept",
	}
	kept := []string{
		"PATH=/bin", "HOME=/root", "EMPTY=", "LANG=C", "NOVALUE=",
		"INVOCATION_ID=kept", "LISTENER=kept", "NODE_ENV=kept", "MY_NOTIFY_SOCKET=kept", "WATCHDOG=kept",
	}
	place := []string{"RELEVO_NAME=shop", "RELEVO_SLOT=2", "RELEVO_WORKER=17", "RELEVO_GENERATION=5"}
	bare := scene{app: "shop", order: pool.Order{ID: "17", Slot: 2, Generation: 5}, ipcFD: 3}
	full := bare
	full.listeners, full.ipcFD, full.notifySocket, full.node, full.dir = []string{"web", "admin"}, 5, "/n", true, "/srv/1"
	full.control = "/run/shop.sock"
	reachable := bare
	reachable.port = "3000"
	for name, c := range map[string]struct {
		app  []string
		s    scene
		want []string
	}{
		"a worker without a listener": {nil, bare, slices.Concat(kept, place, []string{"RELEVO_IPC_FD=3"})},
		"a worker with everything": {nil, full, slices.Concat(kept, place, []string{
			"RELEVO_IPC_FD=5", "LISTEN_FDS=2", "LISTEN_FDNAMES=web:admin", "PWD=/srv/1", "NOTIFY_SOCKET=/n", "NODE_CHANNEL_FD=5",
			"RELEVO_CONTROL=/run/shop.sock",
		})},
		"a port": {nil, reachable, slices.Concat(kept, place, []string{"RELEVO_IPC_FD=3", "PORT=3000"})},
		"a port of the user's": {[]string{"PORT=4000"}, reachable,
			slices.Concat(kept, place, []string{"RELEVO_IPC_FD=3", "PORT=4000"})},
		"variables of the app": {
			[]string{"A=1", "HOME=/srv", "A=2", "RELEVO_SLOT=99", "LISTEN_PID=1", "TABLEFLIP_X=wanted"}, bare,
			slices.Concat([]string{"PATH=/bin", "HOME=/srv"}, kept[2:], []string{"A=2"},
				place, []string{"TABLEFLIP_X=wanted", "RELEVO_IPC_FD=3"}),
		},
	} {
		got := environ(master, c.app, c.s)
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", name, got, c.want)
		}
	}
}

// TestPortOf: programs get a PORT if it is clear which port that is.
func TestPortOf(t *testing.T) {
	for addresses, want := range map[string]string{
		"": "", "127.0.0.1:3000": "3000", "[::]:80": "80", "unix:/run/x:1": "", "unix:@x:1": "",
		"127.0.0.1:3000 unix:/run/x": "3000", "127.0.0.1:3000 127.0.0.1:3001": "",
	} {
		var listeners []Listener
		for _, address := range strings.Fields(addresses) {
			listeners = append(listeners, Listener{Address: address})
		}
		if got := portOf(listeners); got != want {
			t.Errorf("%q: port %q, want %q", addresses, got, want)
		}
	}
}

// TestEnvironLeavesItsInputAlone: all workers of a release share its variables, and several workers
// may start at the same time.
func TestEnvironLeavesItsInputAlone(t *testing.T) {
	app := append(make([]string, 0, 64), "A=1")
	environ(nil, app, scene{app: "shop"})
	if behind := app[:64][1]; behind != "" {
		t.Errorf("environ appended %q to the release's variables", behind)
	}
}

func TestPathOf(t *testing.T) {
	if got := pathOf([]string{"XPATH=/x", "PATH=/a:/b"}); got != "/a:/b" {
		t.Errorf("got %q", got)
	}
	if got := pathOf(nil); got == "" {
		t.Error("pathOf finds nothing without PATH")
	}
}
