package master

import (
	"fmt"
	"os"

	"relevo/control"
	"relevo/systemd"
	"relevo/upgrader"
)

// activate gives the upgrader the sockets that systemd has opened for this app.
// The variables go: they are for one process and one look.
func activate(up *upgrader.Upgrader) error {
	inherited, err := systemd.Inherited(os.Getenv)
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"} {
		os.Unsetenv(name)
	}
	if err != nil {
		return control.WithExit(fmt.Errorf("%w; start it without them, or correct the unit", err), control.ExitConfig)
	}
	sockets, _ := systemd.Split(inherited)
	var lent []upgrader.Socket
	for _, s := range sockets {
		lent = append(lent, upgrader.Socket(s))
	}
	up.Activate(lent)
	return nil
}
