package doctor

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"

	"relevo/internal/config"
)

// TestMain lets the test binary be the child whose exit status a probe asks for.
func TestMain(m *testing.M) {
	if os.Args[0] == "relevo" {
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestProbe: features work on the kernels that have them, and probes leave nothing behind.
func TestProbe(t *testing.T) {
	dir := t.TempDir()
	before, _ := os.ReadDir("/proc/self/fd")
	p := Probe(Ask{State: dir + "/not/there", Program: "/proc/self/exe", CgroupDir: "/x"})
	after, _ := os.ReadDir("/proc/self/fd")
	if len(after) > len(before) {
		t.Errorf("%d descriptors before, %d after", len(before), len(after))
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if p.Free == 0 || p.ProgramSize == 0 || p.FilesSoft == 0 || p.FilesHard < p.FilesSoft || p.Now.IsZero() ||
		p.CgroupDir != "/x" || !p.Usable(dir) {
		t.Errorf("not found out: %+v", p)
	}
	for what, c := range map[string]struct {
		err          error
		major, minor int
	}{
		"pidfd": {p.Pidfd, 5, 3}, "exit info": {p.ExitInfo, 6, 15}, "close_range": {p.CloseRange, 5, 11},
		"memfd":       {p.Memfd, 3, 17},
		"credentials": {p.Credentials, 2, 2}, "inotify": {p.Inotify, 2, 6},
	} {
		if works := atLeast(p.Release, c.major, c.minor); works != (c.err == nil) {
			t.Errorf("%s on Linux %s: %v", what, p.Release, c.err)
		}
	}
}

// TestTryFilter: a filter on UDP needs no privilege; on TCP it may. Root with all capabilities can
// attach both.
func TestTryFilter(t *testing.T) {
	if err := tryFilter(); err != nil && !errors.Is(err, syscall.EPERM) {
		t.Error(err)
	}
}

func TestTryBind(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	at := taken.Addr().String()
	dir := t.TempDir()
	abstract, err := net.Listen("unix", "@relevo-test-taken"+dir)
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	for name, c := range map[string]struct {
		listen config.Listen
		want   error
	}{
		"free":         {config.Listen{Network: config.TCP, Address: "127.0.0.1:0"}, nil},
		"taken":        {config.Listen{Network: config.TCP, Address: at}, syscall.EADDRINUSE},
		"nowhere":      {config.Listen{Network: config.TCP, Address: "192.0.2.1:0"}, syscall.EADDRNOTAVAIL},
		"datagrams":    {config.Listen{Network: "udp", Address: "127.0.0.1:0"}, nil},
		"name taken":   {config.Listen{Network: config.Unix, Address: abstract.Addr().String()}, syscall.EADDRINUSE},
		"unix":         {config.Listen{Network: config.Unix, Address: dir + "/a"}, nil},
		"abstract":     {config.Listen{Network: config.Unix, Address: "@relevo-test" + dir}, nil},
		"no directory": {config.Listen{Network: config.Unix, Address: dir + "/b/a"}, os.ErrNotExist},
	} {
		if err := tryBind(c.listen); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
