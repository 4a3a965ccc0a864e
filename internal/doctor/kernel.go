package doctor

import "fmt"

func kernel(h *Host) []Finding {
	f := ok("kernel", "Linux %s", h.Probes.Release)
	if h.Probes.Release == "" {
		return []Finding{ok("kernel", "not Linux").but(Warn, "rolls by the shared listener work, little else does",
			"run it on Linux")}
	}
	if !atLeast(h.Probes.Release, 5, 3) {
		f = f.but(Warn, "older than anything relevo is tested on", "Linux 5.15 or newer; 6.15 has all that relevo uses")
	}
	return []Finding{f}
}

// atLeast compares the first two numbers of a kernel release.
func atLeast(release string, major, minor int) bool {
	var a, b int
	fmt.Sscanf(release, "%d.%d", &a, &b)
	return a > major || a == major && b >= minor
}

// features reports the results of the probes. relevo works without each feature in another way,
// except without the sender's credentials.
func features(h *Host) (all []Finding) {
	p := h.Probes
	if p.Release == "" {
		return nil
	}
	try := func(check string, err error, works string, s Status, consequence, remedy string) {
		f := ok(check, "%s", works)
		if err != nil {
			f = ok(check, "not available: %v", err).but(s, consequence, remedy)
		}
		all = append(all, f)
	}
	try("pidfd", p.Pidfd, "processes are held by pidfd", Warn,
		"each worker costs the master a thread, and an upgrade cannot adopt workers",
		"Linux 5.4 or newer; allow pidfd_open in the seccomp filter")
	try("exit-info", p.ExitInfo, "the exit status of an adopted worker can be learned", Warn,
		"a worker that an upgraded master has adopted ends with an unknown status", "Linux 6.15 or newer")
	try("close_range", p.CloseRange, "stray descriptors are closed in one call", Warn,
		"only descriptors below 1024 are kept from workers", "Linux 5.11 or newer")
	try("memfd", p.Memfd, "the state of a master can outlive it in memory", Warn,
		"workers are not adopted after a crash of the master", "allow memfd_create in the seccomp filter")
	try("credentials", p.Credentials, "the kernel tells who sends READY=1", Bad,
		"workers get no NOTIFY_SOCKET; --ready notify does not work", "allow SCM_CREDENTIALS on Unix sockets")
	try("filter", p.Filter, "a removed listener passes new clients over, so that they try again", OK,
		"a second socket on its address does that; sockets of the service manager that share their address (ReusePort=) "+
			"or have another owner take clients until their last worker has gone", "")
	exec := ok("execveat", "programs are run by their open file")
	if !atLeast(p.Release, 6, 14) {
		exec = ok("execveat", "programs are run by their path, and compared afterwards").but(OK,
			"a program replaced at this very moment is started twice",
			"Linux 6.14 keeps a program's name when it is run by its open file")
	}
	return append(all, exec)
}

func cgroups(h *Host) []Finding {
	const consequence = "a worker's child that calls setsid outlives it"
	mounted, hybrid := false, false
	mounts, _ := h.self().Mounts()
	for _, m := range mounts {
		mounted = mounted || m.Kind == "cgroup2"
		hybrid = hybrid || m.Kind == "cgroup"
	}
	if !mounted {
		remedy := "mount cgroup2 (systemd.unified_cgroup_hierarchy=1)"
		return []Finding{ok("cgroup", "no cgroup v2 is mounted").but(Warn, consequence, remedy)}
	}
	if h.Probes.CgroupDir == "" {
		found := "cgroup v2 is mounted; this one is not delegated"
		if hybrid {
			found = "cgroup v2 is mounted beside v1; this one is not delegated"
		}
		return []Finding{ok("cgroup", "%s", found).but(Warn, consequence,
			"Delegate=yes in the unit; a private, writable cgroup namespace in a container")}
	}
	if !h.exists(h.Probes.CgroupDir + "/cgroup.kill") {
		return []Finding{ok("cgroup", "delegated: %s, without cgroup.kill", h.Probes.CgroupDir).but(Warn,
			"families of processes are killed one by one", "Linux 5.14 or newer")}
	}
	return []Finding{ok("cgroup", "delegated: %s, with cgroup.kill", h.Probes.CgroupDir)}
}

// An app needs one inotify instance, and a watch for each directory on the path of its executable.
const watchesNeeded = 64

func inotify(h *Host) []Finding {
	instances, found := h.number("/proc/sys/fs/inotify/max_user_instances")
	if !found {
		return nil
	}
	watches, _ := h.number("/proc/sys/fs/inotify/max_user_watches")
	f := ok("inotify", "%d instances and %d watches for each user", instances, watches)
	const polled = "the executable is looked at every two seconds instead of being watched"
	switch {
	case h.Probes.Inotify != nil:
		f = ok("inotify", "no watch can be made: %v", h.Probes.Inotify).but(Warn, polled,
			"sysctl fs.inotify.max_user_instances=1024 fs.inotify.max_user_watches=524288")
	case watches < watchesNeeded:
		f = f.but(Warn, polled, "sysctl fs.inotify.max_user_watches=524288")
	}
	return []Finding{f}
}
