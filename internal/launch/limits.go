package launch

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"relevo/internal/config"
)

// shimLimits are the limits and the user that the shim takes before it execs.
type shimLimits struct {
	Rlimits                  []config.Rlimit
	Nice, OOMScoreAdj, Umask *int
	DefaultOOMScoreAdj       *int // used if OOMScoreAdj is nil; an error is ignored
	Account                  *Account
}

func limitsOf(l config.Limits, a *Account, o Options) shimLimits {
	return shimLimits{Rlimits: l.Rlimits, Nice: l.Nice, OOMScoreAdj: l.OOMScoreAdj, Umask: l.Umask,
		DefaultOOMScoreAdj: o.OOMScoreAdj, Account: a}
}

// apply changes this process and the calling thread, which stays locked to its goroutine
// and has to do the exec: on Linux the nice value belongs to a thread. The user comes last,
// because some of the other changes need root.
func (l shimLimits) apply() *shimError {
	runtime.LockOSThread()
	if l.OOMScoreAdj != nil {
		value := strconv.Itoa(*l.OOMScoreAdj)
		if err := os.WriteFile("/proc/self/oom_score_adj", []byte(value), 0); err != nil {
			return &shimError{Step: "set oom_score_adj to", Path: value, Errno: errno(err), Advice: "only root may lower it"}
		}
	} else if l.DefaultOOMScoreAdj != nil {
		_ = os.WriteFile("/proc/self/oom_score_adj", []byte(strconv.Itoa(*l.DefaultOOMScoreAdj)), 0)
	}
	if l.Nice != nil {
		if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, *l.Nice); err != nil {
			return &shimError{Step: "set nice to", Path: strconv.Itoa(*l.Nice), Errno: errno(err),
				Advice: "only root may lower it"}
		}
	}
	for _, limit := range l.Rlimits {
		if failure := setRlimit(limit); failure != nil {
			return failure
		}
	}
	if l.Umask != nil {
		syscall.Umask(*l.Umask)
	}
	return l.Account.become()
}

func setRlimit(limit config.Rlimit) *shimError {
	number, known := rlimits()[limit.Name]
	if !known {
		return &shimError{Step: "set the limit", Path: limit.Name, Errno: syscall.EINVAL,
			Advice: "this system has none of that name"}
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(number, &before); err != nil {
		return &shimError{Step: "read the limit", Path: limit.Name, Errno: errno(err)}
	}
	// This has to be syscall.Setrlimit, not prlimit(2): otherwise package syscall does not
	// know of the change, and its Exec restores the limit of open files from before.
	err := syscall.Setrlimit(number, &syscall.Rlimit{Cur: limit.Soft, Max: limit.Hard})
	if err == nil {
		return nil
	}
	failure := &shimError{
		Step: "set " + limit.Name + " to", Errno: errno(err),
		Path: fmt.Sprintf("%s (hard limit %s)", rlimitText(limit.Hard), rlimitText(before.Max)),
	}
	switch {
	case limit.Soft > limit.Hard:
		failure.Advice = "the soft limit is above the hard one"
	case errno(err) == syscall.EPERM && os.Geteuid() == 0:
		failure.Advice = "the kernel allows no more (see fs.nr_open), or CAP_SYS_RESOURCE is missing"
	case errno(err) == syscall.EPERM:
		failure.Advice = "only root may raise it"
	}
	return failure
}

func rlimitText(value uint64) string {
	if value == config.Unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(value, 10)
}

// become changes the user and the groups of this process. A nil Account changes nothing.
func (a *Account) become() *shimError {
	if a == nil {
		return nil
	}
	err := syscall.Setgroups(a.Groups)
	if err == nil {
		err = syscall.Setgid(a.GID)
	}
	if err == nil {
		err = syscall.Setuid(a.UID)
	}
	if err != nil {
		return &shimError{Step: "become user", Path: a.Name, Errno: errno(err), Advice: "only root may change the user"}
	}
	return nil
}
