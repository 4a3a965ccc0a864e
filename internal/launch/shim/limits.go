package shim

import (
	"strconv"
	"syscall"
)

// apply changes this process and its main thread, which does the exec. The user comes last,
// because some of the other changes need root.
func (l *Limits) apply() *Failure {
	if failure := l.setOOMScoreAdj(); failure != nil {
		return failure
	}
	if l.Nice != nil {
		if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, *l.Nice); err != nil {
			return &Failure{Step: "set nice to", Path: strconv.Itoa(*l.Nice), Errno: errno(err),
				Advice: "only root may lower it"}
		}
	}
	for _, limit := range l.Rlimits {
		if failure := limit.set(); failure != nil {
			return failure
		}
	}
	if l.Umask != nil {
		syscall.Umask(*l.Umask)
	}
	return l.Account.become()
}

func (l *Limits) setOOMScoreAdj() *Failure {
	value, asked := l.OOMScoreAdj, l.OOMScoreAdj != nil
	if !asked {
		value = l.DefaultOOMScoreAdj
	}
	if value == nil {
		return nil
	}
	text := strconv.Itoa(*value)
	if err := overwrite("/proc/self/oom_score_adj", text); err != nil && asked {
		return &Failure{Step: "set oom_score_adj to", Path: text, Errno: errno(err), Advice: "only root may lower it"}
	}
	return nil
}

func overwrite(path, text string) error {
	fd, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	_, err = syscall.Write(fd, []byte(text))
	return err
}

func (r Rlimit) set() *Failure {
	if r.Resource < 0 {
		return &Failure{Step: "set the limit", Path: r.Name, Errno: syscall.EINVAL,
			Advice: "this system has none of that name"}
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(r.Resource, &before); err != nil {
		return &Failure{Step: "read the limit", Path: r.Name, Errno: errno(err)}
	}
	// This has to be syscall.Setrlimit, not prlimit(2): otherwise package syscall does not
	// know of the change, and its Exec restores the limit of open files from before.
	err := syscall.Setrlimit(r.Resource, &syscall.Rlimit{Cur: r.Soft, Max: r.Hard})
	if err == nil {
		return nil
	}
	failure := &Failure{
		Step: "set " + r.Name + " to", Errno: errno(err),
		Path: RlimitText(r.Hard) + " (hard limit " + RlimitText(before.Max) + ")",
	}
	switch {
	case r.Soft > r.Hard:
		failure.Advice = "the soft limit is above the hard one"
	case err == syscall.EPERM && syscall.Geteuid() == 0:
		failure.Advice = "the kernel allows no more (see fs.nr_open), or CAP_SYS_RESOURCE is missing"
	case err == syscall.EPERM:
		failure.Advice = "only root may raise it"
	}
	return failure
}

// RlimitText is the value of a limit for a person.
func RlimitText(value uint64) string {
	if value == Unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(value, 10)
}

// become changes the user and the groups of this process. A nil Account changes nothing.
func (a *Account) become() *Failure {
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
		return &Failure{Step: "become user", Path: a.Name, Errno: errno(err), Advice: "only root may change the user"}
	}
	return nil
}
