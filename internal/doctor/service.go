package doctor

import (
	"fmt"
	"strings"
	"time"

	"relevo/internal/config"
)

// systemd is what is known about the service manager.
type systemd struct {
	running bool
	user    bool // the manager that answers is the user's own
	version int  // 0: unknown
	err     error
}

// systemd asks the user's own manager first: it alone knows the user's units, and every user may
// ask the system's.
func (h *Host) systemd() (s systemd) {
	// sd_booted(3)
	if s.running = h.exists("/run/systemd/system"); !s.running {
		return s
	}
	s.user = h.UID != 0
	_, s.err = h.Systemctl(s.user, "show", "--property=Version")
	if s.user && s.err != nil {
		s.user = false
		_, s.err = h.Systemctl(false, "show", "--property=Version")
	}
	text, _ := h.Systemctl(false, "--version")
	fmt.Sscanf(text, "systemd %d", &s.version)
	return s
}

func manager(h *Host) []Finding {
	s := h.systemd()
	switch {
	case !s.running:
		return []Finding{ok("systemd", "not the service manager here").but(OK,
			"nothing starts relevo again if it is killed, unless a container's runtime does",
			"docker run --restart=on-failure, or a supervisor")}
	case s.err != nil:
		return []Finding{ok("systemd", "it does not answer: %v", s.err).but(Warn,
			"units cannot be installed or looked at", "log in as that user (machinectl shell USER@), or run the doctor as root")}
	case s.version < 253:
		return []Finding{ok("systemd", "version %d, %s", s.version, whose(h)).but(Warn,
			"Type=notify-reload does not exist: `systemctl reload` needs ExecReload=",
			"relevo unit writes Type=notify with ExecReload=; systemd 253 or newer")}
	}
	return []Finding{ok("systemd", "version %d, with notify-reload; %s", s.version, whose(h))}
}

// whose says which manager answers.
func whose(h *Host) string {
	switch {
	case h.systemd().user:
		return "the user's own manager"
	case h.UID != 0:
		return "the system's manager; the user's own does not answer"
	}
	return "the system's manager"
}

// unitProperties are the properties of a service that the checks need
// (org.freedesktop.systemd1(5)).
const unitProperties = "LoadState,FragmentPath,Type,KillMode,FileDescriptorStoreMax,TimeoutStopUSec,Delegate"

// unit checks the service of the app, found by its usual names. An app of this user may be a unit
// of the system with User=.
func unit(h *Host) []Finding {
	s := h.systemd()
	if !s.running || s.err != nil || !h.Configured {
		return nil
	}
	managers := []bool{s.user}
	if s.user {
		managers = append(managers, false)
	}
	for _, user := range managers {
		for _, name := range []string{h.App.Name + ".service", "relevo-" + h.App.Name + ".service",
			"relevo@" + h.App.Name + ".service"} {
			text, err := h.Systemctl(user, "show", "--property="+unitProperties, name)
			if properties := parseProperties(text); err == nil && properties["LoadState"] == "loaded" {
				return h.unitFindings(name, properties)
			}
		}
	}
	return []Finding{ok("unit", "no unit for %s is installed", h.App.Name).but(Warn,
		"the app does not start at boot, nor again after a crash of relevo", "relevo install")}
}

func parseProperties(text string) map[string]string {
	properties := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		properties[name] = value
	}
	return properties
}

func (h *Host) unitFindings(name string, p map[string]string) []Finding {
	all := []Finding{ok("unit", "%s (%s)", name, p["FragmentPath"])}
	wrong := func(s Status, found, consequence, remedy string) {
		all = append(all, ok("unit", "%s: %s", name, found).but(s, consequence, remedy))
	}
	if p["Type"] != "notify" && p["Type"] != "notify-reload" {
		wrong(Warn, "Type="+p["Type"], "systemd takes the service for started before anything serves, and loses the "+
			"master when it is upgraded", "Type=notify")
	}
	if p["KillMode"] != "process" {
		wrong(Warn, "KillMode="+p["KillMode"], "if the master is killed, systemd kills the workers, too",
			"KillMode=process and FileDescriptorStoreMax=, as relevo unit writes them")
	}
	if slots, need := atoi(p["FileDescriptorStoreMax"]), h.storeNeeds(); slots < need {
		wrong(Warn, fmt.Sprintf("FileDescriptorStoreMax=%d", slots),
			fmt.Sprintf("of the %d files of this app not all outlive a crash of the master", need),
			fmt.Sprintf("FileDescriptorStoreMax=%d", 2*need))
	}
	if p["Delegate"] == "no" {
		wrong(Warn, "Delegate=no", "a worker's child that calls setsid outlives it", "Delegate=yes")
	}
	stop, known := parseSpan(p["TimeoutStopUSec"])
	if needs := h.App.DrainTimeout + h.App.StopGrace; known && stop > 0 && stop <= needs {
		wrong(Bad, "TimeoutStopSec="+stop.String(), fmt.Sprintf("a stop may take %s: systemd kills workers that still drain",
			needs),
			fmt.Sprintf("TimeoutStopSec=%d, or a shorter drain_timeout", int((needs+5*time.Second).Seconds())))
	}
	return all
}

// storeNeeds is the number of descriptors that a master stores: the listeners, for each worker its
// pidfd, channel and two pipes (twice in a roll), and some of its own. If binds are captured, each
// worker also has a notification descriptor, and each slot up to three sockets of its own at each
// listener.
func (h *Host) storeNeeds() int {
	needs := len(h.App.Listen) + 4*(h.App.LargestPool()+h.App.Surge) + 4
	if h.App.Capture == config.CaptureAuto {
		needs += h.App.LargestPool() + h.App.Surge + 3*h.App.LargestPool()*max(1, len(h.App.Listen))
	}
	return needs
}

func atoi(text string) (n int) {
	fmt.Sscan(text, &n)
	return n
}

// parseSpan parses a time as systemctl prints it (systemd.time(7)): "1min 30s"; infinity is 0.
func parseSpan(text string) (total time.Duration, known bool) {
	if text == "infinity" {
		return 0, true
	}
	units := map[string]time.Duration{
		"us": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "min": time.Minute, "h": time.Hour,
		"d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
	}
	for field := range strings.FieldsSeq(text) {
		at := strings.IndexFunc(field, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if at <= 0 || units[field[at:]] == 0 {
			return 0, false
		}
		var n float64
		if _, err := fmt.Sscan(field[:at], &n); err != nil {
			return 0, false
		}
		total += time.Duration(n * float64(units[field[at:]]))
	}
	return total, text != ""
}

// linger checks for services of a user whether they outlive the last session (loginctl(1)).
func linger(h *Host) []Finding {
	if s := h.systemd(); !s.user || s.err != nil {
		return nil
	}
	if h.User != "" && h.exists("/var/lib/systemd/linger/"+h.User) {
		return []Finding{ok("linger", "services of %s outlive its sessions", h.User)}
	}
	return []Finding{ok("linger", "services of user %d end with its last session", h.UID).but(Warn,
		"a user unit stops at logout and does not start with the machine", "loginctl enable-linger "+h.User)}
}
