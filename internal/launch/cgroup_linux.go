package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
)

// DelegatedCgroups returns the cgroups of an app under this process's own cgroup, if that
// is delegated to it: systemd marks it with an attribute (Delegate=yes; systemd's
// CGROUP_DELEGATION document), or it is the root of a container that may write to it.
// Otherwise it returns the zero value, because the cgroup is managed by another program.
func DelegatedCgroups(app string) Cgroups {
	dir := procfs.Self.CgroupDirectory("")
	if dir == "" || !delegated(dir) {
		return Cgroups{}
	}
	return Cgroups{Dir: dir, Prefix: "relevo-" + app + "-"}
}

func delegated(dir string) bool {
	for _, name := range []string{"trusted.delegate", "user.delegate"} {
		value := make([]byte, 8)
		if n, err := unix.Getxattr(dir, name, value); err == nil && string(value[:n]) == "1" {
			return unix.Access(dir, unix.W_OK) == nil
		}
	}
	// The root of a cgroup namespace is also shown as "/". Unlike the real root it has a
	// file cgroup.events.
	if procfs.Self.Cgroup("") != "/" {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "cgroup.events"))
	return err == nil && unix.Access(dir, unix.W_OK) == nil
}

// clear removes the empty cgroups that a dead master left: rmdir(2) refuses the others.
func (c Cgroups) clear() {
	if c.Dir == "" {
		return
	}
	left, _ := filepath.Glob(filepath.Join(c.Dir, c.Prefix+"*"))
	for _, dir := range left {
		id := strings.TrimPrefix(filepath.Base(dir), c.Prefix)
		if strings.Trim(id, "0123456789") == "" { // and not app-b-1 of another app
			unix.Rmdir(dir)
		}
	}
}

// cgroup is the cgroup of one worker; nil: it has none.
type cgroup struct{ dir string }

// make makes a worker's cgroup, nil if workers have none.
func (c Cgroups) make(id string) (*cgroup, error) {
	if c.Dir == "" {
		return nil, nil
	}
	dir := filepath.Join(c.Dir, c.Prefix+id)
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("cannot make a cgroup: %w", err)
	}
	return &cgroup{dir}, nil
}

// path returns the cgroup's directory, empty if there is no cgroup.
func (g *cgroup) path() string {
	if g == nil {
		return ""
	}
	return g.dir
}

// cgroupAt returns the cgroup in a directory, nil if dir is empty.
func cgroupAt(dir string) *cgroup {
	if dir == "" {
		return nil
	}
	return &cgroup{dir}
}

// prepare has a process start in the cgroup. The caller calls done after the fork.
func (g *cgroup) prepare(attr *syscall.SysProcAttr) (done func(), err error) {
	if g == nil {
		return func() {}, nil
	}
	fd, err := unix.Open(g.dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the cgroup %s: %w", g.dir, err)
	}
	attr.UseCgroupFD, attr.CgroupFD = true, fd
	return func() { unix.Close(fd) }, nil
}

// kill sends SIGKILL to all processes of the cgroup: by cgroup.kill (Linux 5.14), or one
// after another if the kernel has no such file.
func (g *cgroup) kill() {
	if g == nil || os.WriteFile(g.dir+"/cgroup.kill", []byte("1"), 0) == nil {
		return
	}
	text, _ := os.ReadFile(g.dir + "/cgroup.procs")
	for field := range strings.FieldsSeq(string(text)) {
		var pid int
		if _, err := fmt.Sscan(field, &pid); err == nil && pid > 0 {
			unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// cgroupPatience is how long killed processes may take to end.
const cgroupPatience = 2 * time.Second

// end kills the remaining processes, waits for their end, and removes the cgroup. An
// error means that a process remains, in a sleep that no signal interrupts.
func (g *cgroup) end() error {
	if g == nil {
		return nil
	}
	g.kill()
	g.awaitEmpty()
	if err := unix.Rmdir(g.dir); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("cannot remove the cgroup %s: %w", g.dir, err)
	}
	return nil
}

// awaitEmpty waits for populated 0 in cgroup.events. It sleeps between its looks
// instead of waiting in poll(2), which would hold a thread for each dying worker.
func (g *cgroup) awaitEmpty() {
	events, err := os.Open(g.dir + "/cgroup.events")
	if err != nil {
		return
	}
	defer events.Close()
	text := make([]byte, 256)
	const longest = 50 * time.Millisecond
	pause := time.Millisecond
	for deadline := time.Now().Add(cgroupPatience); time.Now().Before(deadline); {
		n, _ := events.ReadAt(text, 0)
		if !strings.Contains(string(text[:n]), "populated 1") {
			return
		}
		g.kill() // again, for children forked meanwhile, if the kernel has no cgroup.kill
		time.Sleep(pause)
		pause = min(2*pause, longest)
	}
}
