package doctor

import (
	"time"

	"relevo/internal/config"
)

// Probes are the results of trying; an error means that the feature does not work.
type Probes struct {
	Release string // of the kernel; empty: not Linux

	Pidfd, ExitInfo, CloseRange, Memfd, Credentials, Inotify, Filter, Capture error

	CgroupDir string // this process's cgroup, if it was delegated

	FilesSoft, FilesHard uint64 // RLIMIT_NOFILE as a worker inherits it
	TasksLeft            int    // processes and threads that may still be started
	TasksLimited         bool

	// Usable says whether a directory is writable or can be created.
	Usable func(dir string) bool
	// Trust returns an error if other users can write to a directory.
	Trust func(dir string) error
	// Bind tries an address and closes the socket.
	Bind func(config.Listen) error

	// Free space of the state directory, or of the directory that it would be created in.
	Free         uint64 // bytes
	Inodes       uint64 // inodes of the file system; 0: it does not count them
	FreeInodes   uint64
	NoExec       bool
	Reflink      error
	ReflinkTried bool
	ProgramSize  uint64 // bytes of the executable

	Now         time.Time
	ClockSynced bool
}

// Ask is the input of Probe.
type Ask struct {
	State     string // the state directory
	Program   string // the executable, empty for none
	CgroupDir string
}
