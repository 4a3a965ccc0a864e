package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

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
	dir := own.path()
	if own == nil {
		dir = procfs.Self.CgroupDirectory("")
	}
	if err == nil {
		err = c.move(pid, dir)
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

func (c Cgroups) move(pid int, dir string) error {
	for range moveRounds {
		var outside []int
		for _, member := range procfs.Tree(pid) {
			stat, err := procfs.Of(member).Stat()
			if err != nil || stat.State() == 'Z' {
				continue // it has ended
			}
			if path := procfs.Of(member).Cgroup(""); path != "" && !strings.HasSuffix(dir, path) {
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
