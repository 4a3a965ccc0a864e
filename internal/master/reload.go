package master

import (
	"errors"

	"relevo/internal/control"
	"relevo/internal/generations"
	"relevo/pool"
)

// plain are the options of a reload that relevo itself requests.
var plain control.ReloadOptions

// Reload reads the configuration and rolls to what its command's file holds now:
// control.Master.
func (p *replacement) Reload(o control.ReloadOptions) (control.Wait, error) {
	if p.unready() {
		return nil, errWaiting
	}
	if p.upgradeFirst("") {
		return nil, control.HandedOver(0) // the caller asks the next master
	}
	wait, err := p.reload(o)
	if err != nil && !errors.Is(err, pool.ErrNotRunning) {
		p.systemd.Status("reload failed, the old workers keep serving: " + err.Error())
	}
	return wait, err
}

func (rs *rolls) reload(o control.ReloadOptions) (control.Wait, error) {
	trial, err := generations.ParseTrial(o.Canary, o.Share)
	if err != nil {
		return nil, control.WithExit(err, control.ExitUsage)
	}
	a := rs.box.ask(task{kind: reloading, reload: o, trial: trial})
	return a.wait, a.err
}

// rollAgain rolls to what the command's file holds now, with the configuration that was asked for
// last. changed: only if the bytes have changed; cron: the schedule requests it.
func (rs *rolls) rollAgain(changed, cron bool) (control.Wait, error) {
	a := rs.box.ask(task{kind: again, changed: changed, cron: cron})
	return a.wait, a.err
}
