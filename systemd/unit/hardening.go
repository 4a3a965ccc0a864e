package unit

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"relevo/internal/config"
)

// hardening adds what master and workers may not do. It omits what a user's manager could enforce
// only with a user namespace.
func (o Options) hardening(t *text) {
	t.WriteString("\n")
	t.comment("What follows holds for the workers, too: take a line back (systemctl edit) where a program needs more.")
	t.comment("No program gains rights by exec. A master that runs as root can still give a worker its user.")
	t.yes("NoNewPrivileges")
	if !o.User {
		o.fileSystem(t)
		t.comment("Other users' processes are not to be seen, nor devices, clock, host name, kernel log and modules.")
		t.set("ProtectProc", "invisible")
		t.yes("PrivateDevices", "ProtectClock", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules",
			"ProtectKernelTunables")
		t.comment("Not ProtectControlGroups: the master makes cgroups in its own.")
		o.capabilities(t)
	}
	t.comment("Neither set-user-ID files, real-time scheduling nor foreign personalities. "+
		"Not RestrictNamespaces: it takes",
		"clone3(2) away, by which a worker is born in its cgroup.")
	t.yes("RestrictSUIDSGID", "RestrictRealtime", "LockPersonality")
	t.comment("The network and local sockets; netlink is how programs look at both.")
	t.set("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK")
	t.comment("What services need of the kernel, without another architecture's entrances. "+
		"Not MemoryDenyWriteExecute: Node,",
		"Java and others compile while they run.")
	t.set("SystemCallArchitectures", "native")
	o.systemCalls(t)
	t.set("SystemCallErrorNumber", "EPERM")
}

// systemCalls adds the system calls that master and workers may use.
func (o Options) systemCalls(t *text) {
	if !o.captures() {
		t.set("SystemCallFilter", "@system-service")
		return
	}
	t.comment("seccomp and pidfd_getfd: by them a program that binds its own port gets the master's socket.")
	t.set("SystemCallFilter", "@system-service seccomp pidfd_getfd")
}

func (o Options) captures() bool { return o.App.Capture == config.CaptureAuto }

func (o Options) fileSystem(t *text) {
	t.comment("Everything is read-only but these; name here what the workers write to. Not PrivateTmp: systemd empties it",
		"when a master dies, under the hands of the workers that live on.")
	t.set("ProtectSystem", "strict")
	writable := []string{"/tmp", "/var/tmp"}
	if !o.Sockets {
		for _, l := range o.App.Listen {
			if l.Network == config.Unix && !l.Abstract() {
				writable = append(writable, "-"+path(filepath.Dir(l.Address)))
			}
		}
	}
	t.set("ReadWritePaths", strings.Join(writable, " "))
	if o.atHome() {
		t.comment("The app lies in a home directory; it may be read.")
		t.set("ProtectHome", "read-only")
	} else {
		t.yes("ProtectHome")
	}
}

// atHome says whether the app needs a file in a directory that ProtectHome hides.
func (o Options) atHome() bool {
	needed := append([]string{o.Program, o.Config, o.App.Dir}, o.App.EnvFiles...)
	if len(o.App.Command) > 0 {
		needed = append(needed, o.App.Command[0])
	}
	for _, l := range o.App.Listen {
		if l.Network == config.Unix {
			needed = append(needed, l.Address)
		}
	}
	for _, p := range needed {
		for _, home := range []string{"/home/", "/root/", "/run/user/"} {
			if strings.HasPrefix(p+"/", home) {
				return true
			}
		}
	}
	return false
}

func (o Options) capabilities(t *text) {
	// CAP_LEASE: to notice a writer while a release is copied.
	caps := []string{"CAP_DAC_OVERRIDE", "CAP_LEASE"}
	limits := o.App.Limits
	if limits.User != "" || limits.Group != "" {
		caps = append(caps, "CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_CHOWN", "CAP_FOWNER", "CAP_SYS_PTRACE")
	}
	if o.privilegedPort() && !o.Sockets {
		caps = append(caps, "CAP_NET_BIND_SERVICE")
	}
	if limits.Nice != nil && *limits.Nice < 0 {
		caps = append(caps, "CAP_SYS_NICE")
	}
	if len(limits.Rlimits) > 0 || limits.OOMScoreAdj != nil && *limits.OOMScoreAdj < 0 {
		caps = append(caps, "CAP_SYS_RESOURCE")
	}
	t.comment("Of root's powers those that this configuration needs: files of any owner, leases on releases" + o.why() +
		".")
	t.set("CapabilityBoundingSet", strings.Join(caps, " "))
}

// why names the reasons for the additional capabilities.
func (o Options) why() (text string) {
	limits := o.App.Limits
	if limits.User != "" || limits.Group != "" {
		text += ", workers of another user"
	}
	if o.privilegedPort() && !o.Sockets {
		text += ", ports below 1024"
	}
	if limits.Nice != nil && *limits.Nice < 0 || len(limits.Rlimits) > 0 ||
		limits.OOMScoreAdj != nil && *limits.OOMScoreAdj < 0 {
		text += ", limits that are raised"
	}
	return text
}

func (o Options) privilegedPort() bool {
	for _, l := range o.App.Listen {
		if l.Network == config.Unix {
			continue
		}
		_, port, _ := net.SplitHostPort(l.Address)
		if n, err := strconv.Atoi(port); err == nil && n > 0 && n < 1024 {
			return true
		}
	}
	return false
}
