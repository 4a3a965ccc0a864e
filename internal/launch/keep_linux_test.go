package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/launch/store"
	"relevo/internal/testreq"
)

// worker of these tests: a user that is in no database.
const workersUser = 54321

// newOpenShelf is a shelf that other users can reach. Only the group of the workers can enter the
// directory of the program.
func newOpenShelf(t *testing.T) *shelf {
	t.Helper()
	testreq.Root(t)
	s := newShelf(t)
	bin := filepath.Dir(s.program)
	temp := filepath.Dir(bin)
	err := errors.Join(os.Chmod(filepath.Dir(temp), 0o755), os.Chmod(temp, 0o755), os.Chown(bin, 0, workersUser),
		os.Chmod(bin, 0o750))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shelf) commandOfUser() Command {
	c := s.command()
	c.Limits = config.Limits{User: fmt.Sprint(workersUser), Group: fmt.Sprint(workersUser)}
	return c
}

// put writes a program that only the user or the group of the workers can run.
func (s *shelf) put(data string, uid, gid int, mode os.FileMode) {
	s.t.Helper()
	temp := s.program + ".new"
	err := errors.Join(os.WriteFile(temp, []byte(data), 0o600), os.Chown(temp, uid, gid), os.Chmod(temp, mode),
		os.Rename(temp, s.program))
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestUserRunsCopies: a program that the user of the workers may run as its owner, or as a member of
// its group, can also be run from the copy: at a respawn, after a rollback, and if only copies are
// run.
func TestUserRunsCopies(t *testing.T) {
	const script = "#!/bin/sh\nexit 7\n"
	for _, byDescriptor := range []bool{true, false} {
		for name, put := range map[string]func(s *shelf, data string){
			"owner": func(s *shelf, data string) { s.put(data, workersUser, 0, 0o700) },
			"group": func(s *shelf, data string) { s.put(data, 0, workersUser, 0o750) },
		} {
			t.Run(fmt.Sprintf("%s, by descriptor %v", name, byDescriptor), func(t *testing.T) {
				s := newOpenShelf(t)
				s.byDescriptor = byDescriptor && s.byDescriptor
				put(s, string(program(t, "v1")))
				v1 := s.prepare(s.commandOfUser())
				put(s, script)
				s.wantRuns(v1, s.copyOf("v1"), "v1")
				s.wantRuns(s.prepareStored(s.commandOfUser(), v1.Info().SHA256), s.copyOf("v1"), "v1")
				c := s.commandOfUser()
				c.ExecFrom = config.ExecSnapshot
				v2 := s.prepare(c)
				if err := os.Remove(s.program); err != nil {
					t.Fatal(err)
				}
				if exited := s.startOf(v2, order).exit(); exited.Status.Code != 7 {
					t.Errorf("the script's copy ended with %+v, %s", exited.Status, s.err)
				}
			})
		}
	}
}

// TestCopiesOutOfReach: if the user of the workers cannot reach a copy, a program is run by its open
// file. A roll to a script is refused, because the interpreter has to open it.
func TestCopiesOutOfReach(t *testing.T) {
	s := newOpenShelf(t)
	s.byDescriptor = false
	if err := os.MkdirAll(filepath.Dir(s.snapshots), 0o700); err != nil {
		t.Fatal(err)
	}
	s.put(string(program(t, "v1")), 0, workersUser, 0o750)
	v1 := s.prepare(s.commandOfUser())
	wantError(t, s.log.String(), "user 54321 cannot get to the copies in ", " has mode 0700; chmod o+x it")
	s.put("#!/bin/sh\nexit 7\n", 0, workersUser, 0o750)
	s.wantRuns(v1, s.program+" (deleted)", "v1")
	s.prepare(s.commandOfUser()) // the first start must not be refused
	c := s.commandOfUser()
	c.NeedCopy = true
	_, err := s.Prepare(c)
	if access := new(store.AccessError); !errors.As(err, &access) {
		t.Fatalf("a roll to a script without a copy: %v", err)
	}
	wantError(t, err.Error(), "cannot keep a copy of "+s.program, "chmod o+x it")
}

// TestPrivilegesOfCopies: a respawn from the copy has the privileges of the original.
func TestPrivilegesOfCopies(t *testing.T) {
	s := newOpenShelf(t)
	s.put(string(program(t, "v1")), 0, 0, 0o755)
	// cap_net_admin=ep (struct vfs_cap_data)
	if err := unix.Setxattr(s.program, "security.capability", []byte{1, 0, 0, 2, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0}, 0); err != nil {
		t.Fatal(err)
	}
	v1 := s.prepare(s.commandOfUser())
	if err := os.Remove(s.program); err != nil {
		t.Fatal(err)
	}
	w := s.startOf(v1, order)
	if path, _ := w.running(); path != s.copyOf("v1") {
		t.Errorf("it runs %s", path)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.PID()))
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, string(status), "Uid:\t54321", "CapEff:\t0000000000001000")
}
