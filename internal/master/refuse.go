package master

import (
	"fmt"
	"slices"
	"strings"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/generations"
)

// refuseBad refuses a roll to bytes that are known to be bad. It applies the settings that need no
// roll, and names those that it could not apply.
func (rs *rolls) refuseBad(g *generations.Generation, reason string) error {
	err := rs.applyLive(g.App(), reason)
	announce.Refused(rs.log, "roll refused: the running workers keep serving", "err", err)
	rs.generations.Drop(g)
	return rollRefused(err)
}

func (rs *rolls) applyLive(app config.App, reason string) error {
	before, now := rs.generations.SetLive(app)
	err := fmt.Errorf("%s; relevo reload %s --force tries the same bytes again, and relevo reload %[2]s takes other "+
		"bytes that are put in their place", reason, app.Name)
	if changes := config.Diff(before, now); len(changes) > 0 {
		rs.afterRoll(now)
		err = fmt.Errorf("%w\n  applied without a roll: %s", err, listed(changes))
	}
	if changes := slices.DeleteFunc(config.Diff(now, app), func(c config.Change) bool {
		return c.Applies == config.Restart
	}); len(changes) > 0 {
		err = fmt.Errorf("%w\n  waits for new workers: %s", err, listed(changes))
	}
	return err
}

func listed(changes []config.Change) string {
	var all []string
	for _, c := range changes {
		all = append(all, c.String())
	}
	return strings.Join(all, ", ")
}
