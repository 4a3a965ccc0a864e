package listeners

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// do does something with files as the user, in the calling goroutine.
func (u *User) do(something func() error) error {
	if u == nil {
		return something()
	}
	own, err := ownUser()
	if err != nil {
		return err
	}
	if own.same(u) {
		return something()
	}
	runtime.LockOSThread()
	err = u.become()
	if err == nil {
		err = something()
	}
	// A thread that could not come back must not be used for anything else: it stays locked,
	// and ends with its goroutine.
	if back := own.become(); back != nil {
		return errors.Join(err, back)
	}
	runtime.UnlockOSThread()
	return err
}

func ownUser() (*User, error) {
	groups, err := unix.Getgroups()
	if err != nil {
		return nil, fmt.Errorf("cannot tell the groups of this process: %w", err)
	}
	return &User{unix.Geteuid(), unix.Getegid(), groups}, nil
}

func (u *User) same(other *User) bool {
	return u.UID == other.UID && u.GID == other.GID &&
		slices.Equal(slices.Sorted(slices.Values(u.Groups)), slices.Sorted(slices.Values(other.Groups)))
}

// become changes this thread (credentials(7)): the kernel does for a thread what the C
// library does for the process. Without the user id of root, it loses what goes with that
// in the file system (CAP_DAC_OVERRIDE and others).
func (u *User) become() error {
	own, err := ownUser()
	if err != nil {
		return err
	}
	if !slices.Equal(own.Groups, u.Groups) {
		if err := unix.Setgroups(u.Groups); err != nil {
			return fmt.Errorf("cannot act for user %d: its groups: %w", u.UID, err)
		}
	}
	for _, id := range []struct {
		set    func(int) (int, error)
		wanted int
	}{{unix.SetfsgidRetGid, u.GID}, {unix.SetfsuidRetUid, u.UID}} {
		id.set(id.wanted)
		if now, err := id.set(-1); err != nil || now != id.wanted {
			return fmt.Errorf("cannot act for user %d: %w", u.UID, errors.Join(err, unix.EPERM))
		}
	}
	return nil
}
