package master

import (
	"errors"
	"os"

	"relevo/internal/control"
	"relevo/internal/launch"
	"relevo/internal/succession"
	"relevo/systemd"
)

// HandOver passes everything to a process that waits at a socket: control.Master. Workers
// are not touched. After an error this master goes on.
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

// needsNoWord says whether a successor goes on although its predecessor has not said its
// last word: systemd has started it, or there is no systemd that would start another one.
func (m *Master) needsNoWord() bool {
	return m.keeper == nil || m.opts.Arrival.Way == succession.Asked
}

// cgroups are those of the workers. Workers of a master that ran in the background come from
// its session, and would be outside of the service.
func (m *maker) cgroups() launch.Cgroups {
	all := launch.DelegatedCgroups(m.opts.App.Name)
	if a := m.opts.Arrival; a != nil && a.Way == succession.Asked {
		all.Attach = systemd.Attach
	}
	return all
}
