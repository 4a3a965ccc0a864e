package launch

import (
	"os"

	"relevo/internal/launch/store"
)

// keep makes a copy of the release's file that its workers can run.
func (r *Release) keep(name string) (*store.Copy, error) {
	c, err := r.launcher.store.Add(r.file, name, r.about)
	if err != nil {
		return nil, err
	}
	if err := r.admit(c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// admit lets the user of the workers reach a copy by its path. A program that is run by its
// open file does not need that.
func (r *Release) admit(c *store.Copy) error {
	if r.account == nil || r.account.UID == os.Geteuid() || r.launcher.byDescriptor && r.form == elfForm {
		return nil
	}
	return r.launcher.store.Admit(c, r.account.UID, append([]int{r.account.GID}, r.account.Groups...),
		r.form == interpreted)
}
