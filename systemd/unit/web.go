package unit

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Web describes the unit of relevo web, the page of all apps. Program, Address, State and Runtime
// are required.
type Web struct {
	Program        string // the relevo binary, absolute
	Address        string // HOST:PORT
	Hosts          []string
	State, Runtime string // the directories of the apps, see config.Places
	User           bool   // for a user's manager
}

// WebName is the name of the unit of Web. No app has it.
const WebName = "relevo-web"

// systemState is the directory that StateDirectory=relevo of a system's service means.
const systemState = "/var/lib/relevo"

// checkName refuses names that units of apps cannot have.
func checkName(name string) error {
	if name == WebName {
		return fmt.Errorf("cannot make a unit called %s: that is the page of relevo web; choose another NAME", name)
	}
	return nil
}

// File makes the unit.
func (w Web) File() File {
	t := &text{}
	made := "relevo install --web"
	if w.User {
		made += " --user"
	}
	t.comment(Mark[2:]+" ("+made+"), which also overwrites it; relevo uninstall --web removes it.",
		"To change something use systemctl edit, which puts a file beside this one.")
	t.section("Unit")
	t.set("Description", "Page of all apps (relevo web)")
	if !w.User && !w.local() {
		t.comment("The address that is to be bound has to be there.")
		t.set("Wants", "network-online.target")
		t.set("After", "network-online.target")
	}
	t.section("Service")
	w.life(t)
	w.hardening(t)
	Options{User: w.User}.wanted(t)
	return File{WebName + ".service", t.String()}
}

func (w Web) life(t *text) {
	t.comment("It says when it answers. It asks the masters, and they do not notice when it ends or comes again.")
	t.set("Type", "notify")
	t.set("NotifyAccess", "main")
	words := []string{w.Program, "web", "--listen", w.Address}
	for _, host := range w.Hosts {
		words = append(words, "--host", host)
	}
	t.set("ExecStart", line(words))
	t.set("Restart", "on-failure")
	t.set("RestartSec", "1s")
	t.comment("Where the apps are. Requests that change something need the token: a file of mode 0600 in the directory of",
		"the state: relevo web --token prints it.")
	for _, variable := range []string{"RELEVO_RUNTIME_DIR=" + w.Runtime, "RELEVO_STATE_DIR=" + w.State} {
		t.set("Environment", strconv.Quote(strings.ReplaceAll(variable, "%", "%%")))
	}
	t.set("UMask", "0077")
	if w.State == systemState && !w.User {
		t.set("StateDirectory", "relevo")
	}
}

// hardening adds what the page may not do. It omits what a user's manager could enforce only with a
// user namespace.
func (w Web) hardening(t *text) {
	t.WriteString("\n")
	t.comment("It reads, connects to sockets, and writes its token.")
	t.yes("NoNewPrivileges")
	if !w.User {
		t.set("ProtectSystem", "strict")
		if w.State != systemState {
			t.set("ReadWritePaths", "-"+path(w.State))
		}
		t.set("ProtectHome", "read-only")
		t.yes("PrivateDevices", "ProtectClock", "ProtectHostname", "ProtectKernelLogs",
			"ProtectKernelModules", "ProtectKernelTunables", "ProtectControlGroups")
		t.comment("Of root's powers the one to count the open files of processes" + w.privileged(" and to bind the port") +
			".")
		t.set("CapabilityBoundingSet", "CAP_SYS_PTRACE"+w.privileged(" CAP_NET_BIND_SERVICE"))
	}
	t.yes("RestrictSUIDSGID", "RestrictRealtime", "RestrictNamespaces", "LockPersonality", "MemoryDenyWriteExecute")
	t.comment("The page, the masters, and netlink, which shows connections.")
	t.set("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK")
	t.set("SystemCallArchitectures", "native")
	t.set("SystemCallFilter", "@system-service")
	t.set("SystemCallFilter", "~@privileged @resources")
	t.set("SystemCallErrorNumber", "EPERM")
}

// privileged returns a text if the port is one of root's.
func (w Web) privileged(text string) string {
	_, port, _ := net.SplitHostPort(w.Address)
	if n, err := strconv.Atoi(port); err == nil && n > 0 && n < 1024 {
		return text
	}
	return ""
}

func (w Web) local() bool {
	host, _, _ := net.SplitHostPort(w.Address)
	at, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && at.IsLoopback()
}
