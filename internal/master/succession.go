package master

import (
	"errors"
	"os"

	"relevo/internal/control"
	"relevo/internal/decide"
	"relevo/internal/succession"
)

// replacement has another master take over from this one.
type replacement struct {
	*core
	*rolls
}

// Upgrade replaces this master by the program at the path that it was started from: control.Master.
// Workers are not touched. After an error this master keeps running.
func (p *replacement) Upgrade() (control.Upgraded, error) { return p.upgrade("") }

// upgrade is Upgrade with what the next master is to do first.
func (p *replacement) upgrade(then string) (control.Upgraded, error) {
	if !p.replaceable() {
		return control.Upgraded{}, control.WithExit(errors.New("cannot replace the master: in relevo dev, or before "+
			"anything has started, stop it and start it again"), control.ExitBusy)
	}
	return p.succession.Replace(p.way(), then)
}

// replaceable says whether a successor could take over what this master does.
func (p *replacement) replaceable() bool { return p.opts.Arrival != nil && !p.unready() }

// way is how this master is replaced: by exec if the pid has to stay the same.
func (p *replacement) way() succession.Way {
	if decide.ReplaceInPlace(os.Getpid(), p.app().Upgrade, p.opts.Terminal) {
		return succession.Exec
	}
	return succession.Tableflip
}

// upgradeFirst replaces the master if the program of relevo has changed. It returns true if a
// successor takes over. A program that cannot take over does not prevent the reload, and is not tried
// again without being asked.
func (p *replacement) upgradeFirst(then string) bool {
	first := decide.First{Replaceable: p.replaceable()}
	var err error
	if first.Replaceable {
		first.Changed, err = p.succession.ProgramChanged()
		first.Unknown = err != nil
	}
	upgrades, warns := first.Upgrades()
	if warns {
		p.log.Warn("cannot tell whether relevo itself has changed", "err", err)
	}
	if upgrades {
		_, err = p.upgrade(then)
	}
	return upgrades && err == nil
}
