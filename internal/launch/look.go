package launch

import (
	"fmt"

	"relevo/internal/launch/store"
	"relevo/internal/safefile"
	"relevo/pool"
)

// Look returns what Prepare would find, or its error, and keeps nothing open.
func (l *Launcher) Look(c Command) (info pool.Info, err error) {
	r, err := l.prepare(c, c.Dir, (*Release).lookAtBytes)
	if err != nil {
		return info, err
	}
	defer r.Close()
	return r.Info(), nil
}

func (r *Release) lookAtBytes() error {
	if err := r.findTarget(); err != nil {
		return err
	}
	file, err := safefile.Open(r.path)
	if err != nil {
		return nil // a program that cannot be read can still be run
	}
	r.file, r.form, r.about.Version = file, r.formOf(file), versionOf(file)
	if err := r.settle(); err != nil {
		return err
	}
	seal, err := store.SealOf(file)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", r.path, err)
	}
	r.sum = seal.SHA256()
	return nil
}
