package procfs

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSockets: each socket of a process is found, however its descriptors are numbered.
func TestSockets(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	inode := inodeOf(t, listener.(*net.TCPListener))
	for how, at := range map[string][]int{ // the descriptors of the listener; others below are open or not
		"the lowest number": {3},
		"a gap":             {9},
		"far apart":         {90},
		"three":             {3, 40, 120},
	} {
		t.Run(how, func(t *testing.T) {
			pid := withListener(t, listener.(*net.TCPListener), at)
			found := map[uint64]bool{}
			if err := Sockets(pid, found); err != nil || len(found) != 1 || !found[inode] {
				t.Errorf("found %v (%v), want %d alone", found, err, inode)
			}
			var told []uint64
			open, err := EachSocket(pid, func(inode uint64) { told = append(told, inode) })
			names, _ := os.ReadDir(string(Of(pid)) + "/fd")
			if err != nil || open != len(names) {
				t.Errorf("%d descriptors are open (%v), want %d", open, err, len(names))
			}
			if want := slices.Repeat([]uint64{inode}, len(told)); len(told) != len(at) || !slices.Equal(told, want) {
				t.Errorf("told of %v", told)
			}
		})
	}
	if err := Sockets(1<<30, nil); err == nil {
		t.Error("of a process that is not there descriptors are read")
	}
}

// withListener starts a shell that has the listener as these descriptors.
func withListener(t *testing.T, listener *net.TCPListener, at []int) (pid int) {
	t.Helper()
	copied, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	shell := exec.Command("sh", "-c", "echo up; read line")
	shell.ExtraFiles = make([]*os.File, slices.Max(at)-2) // the first is descriptor 3, nil is none
	for _, number := range at {
		shell.ExtraFiles[number-3] = copied
	}
	in, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); shell.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return shell.Process.Pid
}

func inodeOf(t *testing.T, c syscall.Conn) (inode uint64) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		var is unix.Stat_t
		unix.Fstat(int(fd), &is)
		inode = is.Ino
	})
	return inode
}
