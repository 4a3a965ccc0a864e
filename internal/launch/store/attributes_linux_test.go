package store

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/testreq"
)

// netAdmin is cap_net_admin=ep as the kernel keeps it (struct vfs_cap_data).
var netAdmin = []byte{1, 0, 0, 2, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// change reopens a program after something was done to it.
func (b *bench) change(file *os.File, do ...func(path string) error) *os.File {
	b.t.Helper()
	for _, f := range do {
		if err := f(file.Name()); err != nil {
			if errors.Is(err, unix.EOPNOTSUPP) {
				testreq.Missing(b.t, "the file system keeps no access control lists")
			}
			b.t.Fatal(err)
		}
	}
	again, err := os.Open(file.Name())
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { again.Close() })
	return again
}

func owned(uid, gid int) func(string) error {
	return func(path string) error { return os.Chown(path, uid, gid) }
}

func moded(mode uint32) func(string) error {
	return func(path string) error { return unix.Chmod(path, mode) }
}

func withXattr(name string, value []byte) func(string) error {
	return func(path string) error { return unix.Setxattr(path, name, value, 0) }
}

// groupDenied lets user 7 read and run, and the owning group nothing.
var groupDenied = acl{{aclUserObj, 7, aclNoID}, {aclUser, 7, 7}, {aclGroupObj, 0, aclNoID}, {aclMask, 7, aclNoID},
	{aclOther, 0, aclNoID}}

// TestCopyIsAsItsOriginal: a copy has the owner, mode, privileges and access lists of its
// original, whether it is new or was found. Nobody may write to it.
func TestCopyIsAsItsOriginal(t *testing.T) {
	testreq.Root(t)
	t.Parallel()
	b := newBench(t, 9)
	program := b.program("v1")
	if err := b.make(); err != nil {
		t.Fatal(err)
	}
	// The default access list of a directory must not give anyone access.
	if err := unix.Setxattr(b.Dir(), defaultXattr, groupDenied.bytes(), 0); err != nil {
		testreq.Missing(t, "the file system keeps no access control lists: "+err.Error())
	}
	for _, test := range []struct {
		name string
		do   []func(string) error
		want attributes
	}{
		{"as it is", nil, attributes{mode: 0o555}},
		{"another user's", []func(string) error{owned(65534, 65533), moded(0o700)},
			attributes{uid: 65534, gid: 65533, mode: 0o500}},
		{"a group's", []func(string) error{owned(0, 65533), moded(0o750)}, attributes{gid: 65533, mode: 0o550}},
		{"set-user-ID", []func(string) error{owned(65534, 65533), moded(0o4755)},
			attributes{uid: 65534, gid: 65533, mode: 0o4555}},
		{"set-group-ID", []func(string) error{owned(0, 65533), moded(0o2711)}, attributes{gid: 65533, mode: 0o2511}},
		{"capabilities", []func(string) error{owned(0, 0), moded(0o755), withXattr(capabilityXattr, netAdmin)},
			attributes{mode: 0o555, capabilities: netAdmin}},
		{"a list", []func(string) error{moded(0o700), withXattr(accessXattr, groupDenied.bytes())},
			attributes{mode: 0o550, capabilities: netAdmin, acl: groupDenied.unwritable()}},
	} {
		for _, places := range [][]string{nil, nil, {"/srv/1"}} { // made, found, shared
			c, err := b.Add(b.change(program, test.do...), "server", About{Places: places})
			if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			if got, err := attributesAt(c.Path()); err != nil || !got.equal(test.want) {
				t.Errorf("%s: the copy has %v, want %v (%v)", test.name, got, test.want, err)
			}
			if err := c.Verify(); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			c.Close()
		}
	}
}

// TestLostAttributes: a copy that has lost attributes by a restored backup is not used.
func TestLostAttributes(t *testing.T) {
	testreq.Root(t)
	t.Parallel()
	b := newBench(t, 9)
	c, err := b.Add(b.change(b.program("v1"), withXattr(capabilityXattr, netAdmin)), "server", About{})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if err := unix.Removexattr(c.Path(), capabilityXattr); err != nil {
		t.Fatal(err)
	}
	_, err = b.Get(c.SHA256())
	says(t, err, "owner, mode or capabilities of its copy are not what they were")
}

// TestAttainable: if this user may not give a file away, only this user can use the copy, which has
// no privileges that the user could not give.
func TestAttainable(t *testing.T) {
	t.Parallel()
	root, me := privileges{mayGive: true, mayEmpower: true}, privileges{uid: 1000, gid: 1000}
	container := privileges{mayGive: true}
	foreign, mine := attributes{mode: 0o555}, attributes{uid: 1000, gid: 1000, mode: 0o4550}
	for name, test := range map[string]struct {
		like attributes
		by   privileges
		want attributes
		says string
	}{
		"root":            {foreign, root, foreign, ""},
		"root, another's": {mine, root, mine, ""},
		"own":             {mine, me, mine, ""},
		"root's":          {foreign, me, attributes{uid: 1000, gid: 1000, mode: 0o500}, ""},
		"own, another group": {attributes{uid: 1000, gid: 5, mode: 0o550}, me,
			attributes{uid: 1000, gid: 1000, mode: 0o500}, ""},
		"root's, set-user-ID":  {attributes{mode: 0o4555}, me, attributes{}, "set-user-ID"},
		"root's, capabilities": {attributes{mode: 0o555, capabilities: netAdmin}, me, attributes{}, "capabilities"},
		"own, capabilities": {attributes{uid: 1000, gid: 1000, mode: 0o555, capabilities: netAdmin}, me,
			attributes{}, "capabilities"},
		"in a container, capabilities": {attributes{mode: 0o555, capabilities: netAdmin}, container, attributes{},
			"capabilities"},
	} {
		got, err := test.like.attainable(test.by)
		if test.says == "" && (err != nil || !got.equal(test.want)) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, test.want)
		}
		if access := new(AccessError); test.says != "" &&
			(!errors.As(err, &access) || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: %v, want one of %s", name, err, test.says)
		}
	}
}

// TestNosuid: privileges that a mount disables are reported, not silently lost.
func TestNosuid(t *testing.T) {
	testreq.Root(t)
	t.Parallel()
	like := attributes{mode: 0o4555}
	plain, taken := onMount(t, 0), onMount(t, unix.MS_NOSUID)
	if err := like.honoured(plain, taken); err == nil || !strings.Contains(err.Error(), "nosuid") {
		t.Errorf("set-user-ID, into a nosuid mount: %v", err)
	}
	for _, err := range []error{like.honoured(taken, taken), like.honoured(plain, plain),
		attributes{mode: 0o555}.honoured(plain, taken)} {
		if err != nil {
			t.Error(err)
		}
	}
}

// onMount opens a directory on a mount of its own, which only the calling thread can see.
func onMount(t *testing.T, flags uintptr) *os.File {
	t.Helper()
	dir, opened := t.TempDir(), make(chan *os.File)
	go func() {
		defer close(opened)
		runtime.LockOSThread() // the thread ends with this goroutine
		err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil {
			err = unix.Mount("none", dir, "tmpfs", flags, "size=64k")
		}
		if err != nil {
			t.Error(err)
			return
		}
		if file, err := os.Open(dir); err != nil {
			t.Error(err)
		} else {
			opened <- file
		}
	}()
	file := <-opened
	if file == nil {
		t.FailNow()
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func TestLets(t *testing.T) {
	t.Parallel()
	list := acl{{aclUserObj, 7, aclNoID}, {aclUser, 5, 7}, {aclUser, 1, 8}, {aclGroupObj, 0, aclNoID}, {aclGroup, 1, 70},
		{aclMask, 1, aclNoID}, {aclOther, 1, aclNoID}}
	for name, test := range map[string]struct {
		a    attributes
		u    user
		want bool
	}{
		"root":                     {attributes{uid: 1}, user{0, []int{0}}, true},
		"owner":                    {attributes{uid: 1, mode: 0o100}, user{1, nil}, true},
		"owner denied":             {attributes{uid: 1, mode: 0o011}, user{1, []int{0}}, false},
		"group":                    {attributes{gid: 9, mode: 0o010}, user{1, []int{3, 9}}, true},
		"group denied":             {attributes{gid: 9, mode: 0o001}, user{1, []int{9}}, false},
		"others":                   {attributes{gid: 9, mode: 0o001}, user{1, []int{1}}, true},
		"others denied":            {attributes{gid: 9, mode: 0o770}, user{1, []int{1}}, false},
		"listed user":              {attributes{acl: list}, user{7, nil}, true},
		"listed group":             {attributes{acl: list}, user{1, []int{70}}, true},
		"owning group of a list":   {attributes{gid: 9, acl: list}, user{1, []int{9}}, false},
		"group twice, one lets in": {attributes{gid: 9, acl: list}, user{1, []int{9, 70}}, true},
		"not listed":               {attributes{acl: list}, user{1, []int{1}}, true},
		"masked": {attributes{acl: acl{{aclUser, 1, 7}, {aclMask, 4, aclNoID}, {aclOther, 1, aclNoID}}},
			user{7, nil}, false},
	} {
		if got := test.a.lets(test.u, permExecute); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if a := (attributes{mode: 0o444}); !a.lets(user{1, nil}, permRead) || a.lets(user{1, nil}, permExecute) {
		t.Error("mode 0444 does not mean: others may read, and not execute")
	}
}

// reads says whether a user can read a file.
func reads(t *testing.T, uid uint32, path string) bool {
	t.Helper()
	cmd := exec.Command("cat", path)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if failed := new(exec.ExitError); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return err == nil && string(out) == "v1"
}

// opened lets other users reach the bench's store, and so the open entries in it.
func (b *bench) opened(t *testing.T) {
	t.Helper()
	state := filepath.Dir(b.Dir())
	if err := errors.Join(b.make(), os.Chmod(filepath.Dir(filepath.Dir(state)), 0o755),
		os.Chmod(filepath.Dir(state), 0o755)); err != nil {
		t.Fatal(err)
	}
}

// TestClosedDirectory: other users cannot read the copy of a program that was in a directory closed
// to them. Only the user of the workers can.
func TestClosedDirectory(t *testing.T) {
	testreq.Root(t)
	t.Parallel()
	const worker, stranger = 54321, 54322
	b := newBench(t, 9)
	b.opened(t)
	program := b.program("v1")
	add := func() *Copy {
		t.Helper()
		c, err := b.Add(program, "server", About{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	c := add()
	if !reads(t, stranger, c.Path()) {
		t.Error("another user cannot read the copy of a program that everybody can read")
	}
	if err := os.Chmod(filepath.Dir(program.Name()), 0o710); err != nil {
		t.Fatal(err)
	}
	if c = add(); reads(t, stranger, c.Path()) {
		t.Error("another user can read the copy of a program in a closed directory")
	}
	admitted := func(uid int) {
		t.Helper()
		if err := b.Admit(c, uid, []int{uid}, false); errors.Is(err, fs.ErrPermission) || errors.As(err, new(*AccessError)) {
			testreq.Missing(t, err.Error())
		} else if err != nil {
			t.Fatal(err)
		}
	}
	admitted(worker)
	admitted(worker + 7)
	add() // for another generation: the first one's workers can still read it
	for uid, want := range map[uint32]bool{worker: true, worker + 7: true, stranger: false} {
		if got := reads(t, uid, c.Path()); got != want {
			t.Errorf("after 2 users were admitted, %d reads: %v", uid, got)
		}
	}
	if err := os.Chmod(b.Dir(), 0o700); err != nil {
		t.Fatal(err)
	}
	says(t, b.Admit(c, worker, nil, false), "user 54321 cannot get to the copies in ", "has mode 0700; chmod o+x it")
}
