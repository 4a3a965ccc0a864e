package master

import (
	"errors"
	"os"

	"relevo/internal/control"
	"relevo/internal/decide"
	"relevo/internal/succession"
)

// replacement has another master go on in the place of this one.
type replacement struct {
	*core
	*rolls
}

// Upgrade replaces this master by the program that its binary's path holds now:
// control.Master. Workers are not touched. After an error this master goes on.
func (p *replacement) Upgrade() (control.Upgraded, error) { return p.upgrade("") }

// upgrade tells the next master what to do first.
func (p *replacement) upgrade(then string) (control.Upgraded, error) {
	if !p.replaceable() {
		return control.Upgraded{}, control.WithExit(errors.New("cannot replace the master: one that develops, or waits for "+
			"something to start, is stopped and started anew"), control.ExitBusy)
	}
	return p.succession.Replace(p.way(), then)
}

// replaceable says whether another master could go on with what this one does.
func (p *replacement) replaceable() bool { return p.opts.Arrival != nil && !p.unready() }

// way is how this master is replaced: in place where another pid would hurt.
func (p *replacement) way() succession.Way {
	if decide.ReplaceInPlace(os.Getpid(), p.app().Upgrade, p.opts.Terminal) {
		return succession.Exec
	}
	return succession.Tableflip
}

// upgradeFirst replaces the master if relevo itself has changed, and says whether
// another one goes on. One that cannot take over does not keep the app from its
// reload, and is not tried again by itself.
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
