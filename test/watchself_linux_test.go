package test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWatchSelfShortOfFiles: a master that has too few descriptors for its replacement is replaced
// when it has enough again.
func TestWatchSelfShortOfFiles(t *testing.T) {
	takesLong(t)
	t.Parallel()
	s := newSite(t, "-n", "1", "--watch-self")
	master, open := s.status().PID, map[int]bool{}
	s.await("the watches", func() bool {
		dir, watches := fmt.Sprintf("/proc/%d/fd/", master), 0
		clear(open)
		files, _ := os.ReadDir(dir)
		for _, file := range files {
			number, _ := strconv.Atoi(file.Name())
			open[number] = true
			if to, _ := os.Readlink(dir + file.Name()); to == "anon_inode:inotify" {
				watches++
			}
		}
		return watches == 2 // of the app and of relevo
	})
	var before unix.Rlimit
	if err := unix.Prlimit(master, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	limit := uint64(0)
	for free := 0; free < 2; limit++ { // enough to read the program
		if !open[int(limit)] {
			free++
		}
	}
	if err := unix.Prlimit(master, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: before.Max}, nil); err != nil {
		t.Fatal(err)
	}
	s.renew()
	s.await("the failure", func() bool { return strings.Contains(s.log.String(), "is replaced later") })
	if err := unix.Prlimit(master, unix.RLIMIT_NOFILE, &before, nil); err != nil {
		t.Fatal(err)
	}
	s.await("another master", func() bool { return s.status().PID != master })
	s.stop()
}
