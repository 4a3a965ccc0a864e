package capture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"relevo/internal/procfs"

	"golang.org/x/sys/unix"
)

// errElsewhere says that the same address means another place for the program than for the
// master.
var errElsewhere = errors.New("cannot capture a bind in another network or file system")

// place makes the path of a Unix socket absolute, and says whether the address means the
// same in this process as in the thread.
func (a *Address) place(thread int) error {
	if err := a.sameNamespace(thread); err != nil {
		return err
	}
	if a.Family != unix.AF_UNIX || a.Path == "" || a.Abstract() || filepath.IsAbs(a.Path) {
		return nil
	}
	directory, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", thread))
	if err != nil {
		return fmt.Errorf("cannot tell where a program binds: %w", err)
	}
	a.Path = filepath.Join(directory, a.Path)
	return nil
}

func (a *Address) sameNamespace(thread int) error {
	namespaces := []string{"ns/net"}
	if a.Family == unix.AF_UNIX && !a.Abstract() {
		namespaces = []string{"ns/mnt", "root"}
	}
	for _, name := range namespaces {
		ours, err := os.Stat("/proc/self/" + name)
		theirs, theirErr := os.Stat(fmt.Sprintf("/proc/%d/%s", thread, name))
		if err := errors.Join(err, theirErr); err != nil {
			return fmt.Errorf("cannot tell where a program binds: %w", err)
		}
		if !os.SameFile(ours, theirs) {
			return errElsewhere
		}
	}
	return nil
}

// makerOf reads what decides about owner and mode of a Unix socket's file (unix(7),
// umask(2)).
func makerOf(thread int, mode fs.FileMode) (m Maker, err error) {
	mask, err := procfs.Of(thread).Status("Umask")
	if err != nil {
		return m, err
	}
	umask, err := strconv.ParseUint(mask, 8, 32)
	if err != nil {
		return m, fmt.Errorf("cannot read the umask of process %d: %w", thread, err)
	}
	m.Mode = mode & fs.ModePerm &^ fs.FileMode(umask)
	const ofFileSystem = 3 // real, effective, saved, of the file system
	for name, id := range map[string]*int{"Uid": &m.UID, "Gid": &m.GID} {
		numbers, err := statusNumbers(thread, name)
		if err != nil || len(numbers) <= ofFileSystem {
			return m, errors.Join(err, fmt.Errorf("cannot read the user of process %d", thread))
		}
		*id = numbers[ofFileSystem]
	}
	m.Groups, err = statusNumbers(thread, "Groups")
	return m, err
}

func makerOfSocket(thread, fd int) (m Maker, err error) {
	var socket unix.Stat_t
	if err := unix.Fstat(fd, &socket); err != nil {
		return m, fmt.Errorf("cannot look at a socket: %w", err)
	}
	return makerOf(thread, fs.FileMode(socket.Mode))
}

// Request returns the bind of a process that asks for a socket instead of binding one.
func Request(pid int, a Address, s Socket) (b Bind, err error) {
	b = Bind{PID: pid, Address: a, Socket: s, Asked: true}
	if err := b.Address.place(pid); err != nil {
		return b, err
	}
	if a.Family == unix.AF_UNIX {
		b.Maker, err = makerOf(pid, fs.ModePerm)
	}
	return b, err
}

func statusNumbers(pid int, name string) (all []int, err error) {
	words, err := procfs.Of(pid).Status(name)
	if err != nil {
		return nil, err
	}
	for word := range strings.FieldsSeq(words) {
		number, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s of process %d: %w", name, pid, err)
		}
		all = append(all, number)
	}
	return all, nil
}
