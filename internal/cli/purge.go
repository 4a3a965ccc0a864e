package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"relevo/internal/control"
	"relevo/internal/safefile"
)

// purge forgets an app and removes all that is kept of it. Meanwhile no master has its name, and
// relevo start does not start it.
func (c *cli) purge(ctx context.Context, name string) error {
	giveUp, err := c.takeName(ctx, name)
	if err != nil {
		return fmt.Errorf("cannot remove the files of %s: %w", name, err)
	}
	err = c.forget(name)
	if err == nil {
		err = c.registry().Purge(name)
	}
	return errors.Join(err, giveUp())
}

// takeName takes an app's name wherever a master of it may run, and keeps it from being started. It
// waits for a start or a master that is about to end.
func (c *cli) takeName(ctx context.Context, name string) (giveUp func() error, err error) {
	var taken []*control.Lock
	giveUp = func() (err error) {
		for _, lock := range taken {
			err = errors.Join(err, lock.Unlock())
		}
		return err
	}
	for _, places := range c.lookIn() {
		for _, path := range []string{places.Starting(name), places.Lock(name)} {
			lock, err := control.AcquireFrom(path, control.NobodyAnswers(ctx, places.ControlSocket(name)))
			switch held := new(safefile.HeldError); {
			case err == nil:
				taken = append(taken, lock)
			case errors.As(err, &held):
				return nil, errors.Join(control.WithExit(fmt.Errorf("it is being started, or its master does not end: %w; "+
					"relevo delete %s --purge tries again", held, name), control.ExitBusy), giveUp())
			case !neverLocked(err):
				return nil, errors.Join(err, giveUp())
			}
		}
	}
	return giveUp, nil
}

// neverLocked says whether no process of this user can hold a lock because of an error: its directory
// is missing, read-only or another user's.
func neverLocked(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS)
}
