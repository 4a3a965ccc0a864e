package master

import (
	"errors"
	"os"

	"relevo/internal/control"
)

// HandOver passes everything to a process that waits at a socket: control.Master. Workers
// are not touched. After an error this master keeps running.
func (p *replacement) HandOver(to string) (control.Upgraded, error) {
	why := ""
	switch {
	case os.Getpid() == 1:
		why = "this master is the first process of a container, which would end with it"
	case os.Getenv("NOTIFY_SOCKET") != "":
		why = "a service manager runs this master"
	case !p.replaceable():
		why = "this master develops, or waits for something to start"
	default:
		return p.succession.HandOver(to)
	}
	return control.Upgraded{}, control.WithExit(errors.New("cannot hand over: "+why), control.ExitBusy)
}
