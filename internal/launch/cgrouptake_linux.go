package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
)

// take moves a worker that a master outside of this one's cgroup has started, with its
// descendants, to a cgroup of its own here, or to this process's: what ends this service then
// finds them. former is where they are now, which stays if they cannot be moved.
func (c Cgroups) take(former *cgroup, id string, pid int) (*cgroup, error) {
	if c.Attach == nil || former != nil && filepath.Dir(former.dir) == c.Dir {
		return former, nil
	}
	own, err := c.make(id)
	if err == nil {
		err = c.move(pid, own)
	}
	if err != nil {
		if own != nil {
			unix.Rmdir(own.dir)
		}
		return former, fmt.Errorf("cannot move worker %s (pid %d) to the service's cgroup: %w", id, pid, err)
	}
	if former != nil {
		unix.Rmdir(former.dir)
	}
	return own, nil
}

// moveRounds bounds how often descendants are looked for: each may have a child meanwhile.
const moveRounds = 100

// move moves a process and its descendants to a worker's own cgroup; nil: to this process's.
func (c Cgroups) move(pid int, own *cgroup) error {
	dir, path := procfs.Self.CgroupDirectory(""), procfs.Self.Cgroup("")
	if dir == "" {
		return nil // there is no cgroup v2
	}
	if own != nil {
		below, err := filepath.Rel(dir, own.dir)
		if err != nil {
			return err
		}
		dir, path = own.dir, filepath.Join(path, below)
	}
	for range moveRounds {
		var outside []int
		for _, member := range procfs.Tree(pid) {
			stat, err := procfs.Of(member).Stat()
			if err != nil || stat.State() == 'Z' {
				continue // it has ended
			}
			if at := procfs.Of(member).Cgroup(""); at != "" && at != path {
				outside = append(outside, member)
			}
		}
		if len(outside) == 0 {
			return nil
		}
		if err := c.moveThese(outside, dir); err != nil {
			return err
		}
	}
	return errors.New("it has new children all the time")
}

func (c Cgroups) moveThese(pids []int, dir string) error {
	for i, pid := range pids {
		err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
		switch {
		case errors.Is(err, unix.ESRCH): // it has ended
		case errors.Is(err, fs.ErrPermission) && c.Attach != nil:
			return c.Attach(dir, pids[i:])
		case err != nil:
			return err
		}
	}
	return nil
}
