package doctor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/capture"
	"relevo/internal/config"
	"relevo/internal/safefile"
	"relevo/internal/threads"
)

// Probe tries out what the checks need. It leaves nothing behind.
func Probe(a Ask) Probes {
	p := Probes{
		Release: release(), Pidfd: tryPidfd(), ExitInfo: tryExitInfo(), CloseRange: tryCloseRange(), Memfd: tryMemfd(),
		Credentials: tryCredentials(), Inotify: tryInotify(), Filter: tryFilter(), Capture: capture.Probe(),
		CgroupDir: a.CgroupDir,
		Usable:    config.UsableDir, Trust: safefile.CheckDir, Bind: tryBind, Now: time.Now(), ClockSynced: clockSynced(),
	}
	p.FilesSoft, p.FilesHard = openFiles()
	p.TasksLeft, p.TasksLimited = threads.Left()
	if info, err := os.Stat(a.Program); a.Program != "" && err == nil {
		p.ProgramSize = uint64(info.Size())
	}
	p.lookAtState(a.State)
	return p
}

func release() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Release[:])
}

// closeIf closes a descriptor that a call has returned, and returns the call's error.
func closeIf(fd int, err error) error {
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func tryPidfd() error { return closeIf(unix.PidfdOpen(os.Getpid(), 0)) }

func tryMemfd() error { return closeIf(unix.MemfdCreate("relevo", unix.MFD_CLOEXEC)) }

// tryCloseRange marks descriptors that no process has.
func tryCloseRange() error { return unix.CloseRange(1<<30, 1<<30, unix.CLOSE_RANGE_CLOEXEC) }

// tryExitInfo lets a child end and asks for its status after it was reaped, as a process that is
// not its parent would (PIDFD_GET_INFO, Linux 6.13; of reaped processes 6.15).
func tryExitInfo() error {
	pidfd := -1
	child := exec.Command("/proc/self/exe")
	child.Args = []string{"relevo", "version"}
	child.SysProcAttr = &syscall.SysProcAttr{PidFD: &pidfd}
	if err := child.Run(); err != nil {
		return err
	}
	if pidfd < 0 {
		return unix.ENOSYS
	}
	defer unix.Close(pidfd)
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if err := unix.IoctlPidfdInfo(pidfd, &info); err != nil {
		return err
	}
	if info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return errors.New("the kernel does not tell it")
	}
	return nil
}

func tryCredentials() error {
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	return unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
}

// tryFilter attaches a filter to a TCP socket; newer kernels require CAP_NET_ADMIN for this.
func tryFilter() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	program := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
	return unix.SetsockoptSockFprog(socket, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

func tryInotify() error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return fmt.Errorf("inotify_init: %w", err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, "/", unix.IN_ATTRIB); err != nil {
		return fmt.Errorf("inotify_add_watch: %w", err)
	}
	return nil
}

// clockSynced asks the kernel (adjtimex(2)); a container may not be allowed to.
func clockSynced() bool {
	state, err := unix.Adjtimex(&unix.Timex{})
	return err != nil || state != unix.TIME_ERROR
}

// openFiles returns the limit that workers get. The Go runtime has raised this process's limit, but
// starts children with the original one.
func openFiles() (soft, hard uint64) {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0, 0
	}
	soft, hard = limit.Cur, limit.Max
	out, err := exec.Command("sh", "-c", "ulimit -Sn").Output()
	if text := strings.TrimSpace(string(out)); err == nil && text != "unlimited" {
		fmt.Sscan(text, &soft)
	}
	return soft, hard
}

// lookAtState examines the file system of the state directory.
func (p *Probes) lookAtState(dir string) {
	for {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	var stat unix.Statfs_t
	if unix.Statfs(dir, &stat) == nil {
		p.Free = stat.Bavail * uint64(stat.Bsize)
		p.Inodes, p.FreeInodes = stat.Files, stat.Ffree
		p.NoExec = stat.Flags&unix.ST_NOEXEC != 0
	}
	p.Reflink, p.ReflinkTried = tryReflink(dir)
}

// tryReflink clones one unnamed file to another.
func tryReflink(dir string) (err error, tried bool) {
	var files [2]*os.File
	for i := range files {
		if files[i], err = os.OpenFile(dir, unix.O_TMPFILE|os.O_RDWR, 0o600); err != nil {
			return err, false
		}
		defer files[i].Close()
	}
	if _, err := files[0].Write(make([]byte, 4096)); err != nil {
		return err, false
	}
	return unix.IoctlFileClone(int(files[1].Fd()), int(files[0].Fd())), true
}
