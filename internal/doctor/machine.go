package doctor

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"relevo/internal/config"
)

func user(h *Host) []Finding {
	name := h.User
	if name == "" {
		name = "without an entry in /etc/passwd"
	}
	f := ok("user", "%d (%s)", h.UID, name)
	if h.UID == 0 && h.Configured && h.App.Limits.User == "" {
		f = f.but(Warn, "workers run as root", `user = "www-data" under [limits], or --user`)
	}
	return append([]Finding{f}, h.lowPorts()...)
}

// capNetBindService is its number in capability.h.
const capNetBindService = 10

// lowPorts are the ports that need a privilege (ip(7)).
func (h *Host) lowPorts() []Finding {
	first, found := h.number("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if !found {
		first = 1024
	}
	if h.UID == 0 && h.capable(capNetBindService) {
		return []Finding{ok("ports", "any port can be bound")}
	}
	if h.capable(capNetBindService) {
		return []Finding{ok("ports", "any port can be bound (CAP_NET_BIND_SERVICE)")}
	}
	f := ok("ports", "ports from %d on can be bound", first)
	for _, l := range h.App.Listen {
		if port := portOf(l); port > 0 && port < first {
			f = f.but(Bad, fmt.Sprintf("%s cannot be opened", l),
				fmt.Sprintf("AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit, or sysctl "+
					"net.ipv4.ip_unprivileged_port_start=%d", port))
		}
	}
	return []Finding{f}
}

func portOf(l config.Listen) int {
	if l.Network == config.Unix {
		return 0
	}
	_, port, _ := net.SplitHostPort(l.Address)
	n, _ := strconv.Atoi(port)
	return n
}

// capable reads the effective capabilities (proc_pid_status(5)).
func (h *Host) capable(bit int) bool {
	text, missing := h.self().Status("CapEff")
	set, err := strconv.ParseUint(text, 16, 64)
	return missing == nil && err == nil && set&(1<<bit) != 0
}

// files checks the limit of open files that a worker inherits: each connection needs one.
func files(h *Host) []Finding {
	soft, hard := h.Probes.FilesSoft, h.Probes.FilesHard
	if soft == 0 {
		return nil
	}
	for _, l := range h.App.Limits.Rlimits {
		if l.Name == "nofile" {
			soft, hard = l.Soft, l.Hard
		}
	}
	f := ok("nofile", "%s open files for each worker (at most %s)", limitText(soft), limitText(hard))
	if soft < 4096 {
		f = f.but(Warn, fmt.Sprintf("a worker that does not raise it itself (Go programs do) holds %d connections at most",
			soft),
			"nofile = 65536 under [limits.rlimits], or LimitNOFILE=65536 in the unit")
	}
	return []Finding{f}
}

// tasksOfWorker is the number of tasks that a worker may need: its threads and its shim's,
// twice, because of a roll.
const tasksOfWorker = 16

// tasks checks the limit of processes and threads, which the master and all workers share (cgroup's
// pids.max, RLIMIT_NPROC).
func tasks(h *Host) []Finding {
	if !h.Probes.TasksLimited {
		return nil
	}
	left := h.Probes.TasksLeft
	f := ok("tasks", "%d more processes and threads may be started here", left)
	if wanted := max(h.App.LargestPool(), h.CPUs) * tasksOfWorker; left < wanted {
		f = f.but(Warn, "workers may not start or may miss threads, and a roll fails; the master lives on",
			fmt.Sprintf("TasksMax= in the unit, --pids-limit of a container, or ulimit -u: %d more at least", wanted))
	}
	return []Finding{f}
}

func limitText(n uint64) string {
	if n == config.Unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// queue checks the limit of connections that wait to be accepted (listen(2)).
func queue(h *Host) []Finding {
	most, found := h.number("/proc/sys/net/core/somaxconn")
	if !found {
		return nil
	}
	f := ok("backlog", "up to %d connections wait to be accepted", most)
	wanted := 0
	for _, l := range h.App.Listen {
		wanted = max(wanted, l.Backlog)
	}
	switch {
	case wanted > most:
		f = f.but(Warn, fmt.Sprintf("the backlog of %d that is asked for is cut down to it", wanted),
			fmt.Sprintf("sysctl net.core.somaxconn=%d", wanted))
	case most < 1024:
		f = f.but(Warn, "a burst of clients beyond it is turned away", "sysctl net.core.somaxconn=4096")
	}
	return []Finding{f}
}

func flood(h *Host) (all []Finding) {
	if n, found := h.number("/proc/sys/net/ipv4/tcp_syncookies"); found && n == 0 {
		all = append(all, ok("syncookies", "off").but(Warn, "a flood of half-open connections locks clients out",
			"sysctl net.ipv4.tcp_syncookies=1"))
	} else if found {
		all = append(all, ok("syncookies", "on"))
	}
	if n, found := h.number("/proc/sys/net/ipv4/tcp_abort_on_overflow"); found && n != 0 {
		all = append(all, ok("overflow", "a client that finds the queue full is reset").but(Warn,
			"a burst loses requests that would only have waited", "sysctl net.ipv4.tcp_abort_on_overflow=0"))
	}
	return all
}

// processes checks /proc, which relevo needs to see that a worker without messages is ready.
func processes(h *Host) []Finding {
	mounts, _ := h.self().Mounts()
	for _, m := range mounts {
		if m.Point != "/proc" {
			continue
		}
		for option := range strings.SplitSeq(m.SuperOptions, ",") {
			if value, ok := strings.CutPrefix(option, "hidepid="); ok && value != "0" && value != "off" && h.UID != 0 {
				return []Finding{hidden(value)}
			}
		}
	}
	if !h.exists("/proc/self/exe") {
		return []Finding{ok("proc", "/proc is not mounted").but(Bad, "no worker can be started", "mount -t proc proc /proc")}
	}
	return []Finding{ok("proc", "/proc shows the processes")}
}

func hidden(value string) Finding {
	return ok("proc", "/proc is mounted with hidepid=%s", value).but(Warn,
		"workers of another user are not seen to listen, owners of ports are not named",
		"have workers say READY=1, or mount /proc with gid= of this user")
}

func clock(h *Host) []Finding {
	switch p := h.Probes; {
	case p.Now.IsZero():
		return nil
	case p.Now.Year() < 2024:
		return []Finding{ok("clock", "it says %s", p.Now.Format("2006-01-02")).but(Warn,
			"times in logs and of releases are wrong, certificates are not valid yet", "timedatectl set-ntp true")}
	case !p.ClockSynced:
		return []Finding{ok("clock", "no service keeps it in step").but(OK,
			"times in logs may be off; what relevo waits for goes by another clock", "timedatectl set-ntp true")}
	}
	return []Finding{ok("clock", "in step")}
}
