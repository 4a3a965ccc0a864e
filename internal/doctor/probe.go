package doctor

import (
	"time"

	"relevo/internal/config"
)

// Probes are what was tried, an error for what does not work.
type Probes struct {
	Release string // of the kernel; empty where it is not Linux

	Pidfd, ExitInfo, CloseRange, Memfd, Credentials, Inotify, Filter, Capture error

	CgroupDir string // this process's cgroup, if it was given into its hands

	FilesSoft, FilesHard uint64 // RLIMIT_NOFILE as a worker inherits it
	TasksLeft            int    // processes and threads that may be started
	TasksLimited         bool

	// Usable says whether a directory can be written to, or made.
	Usable func(dir string) bool
	// Trust says who else can put something into a directory.
	Trust func(dir string) error
	// Bind tries an address and lets go of it.
	Bind func(config.Listen) error

	// Of the state directory, or of what it would be made in.
	Free         uint64 // bytes
	Inodes       uint64 // of the same file system, 0 where it does not count them
	FreeInodes   uint64
	NoExec       bool
	Reflink      error
	ReflinkTried bool
	ProgramSize  uint64 // bytes of the executable

	Now         time.Time
	ClockSynced bool
}

// Ask is what Probe has to know.
type Ask struct {
	State     string // the state directory
	Program   string // the executable, empty for none
	CgroupDir string
}
