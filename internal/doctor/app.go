package doctor

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"relevo/internal/config"
	"relevo/internal/safefile"
)

func configuration(h *Host) (all []Finding) {
	for _, err := range h.ConfigErrors {
		all = append(all,
			ok("configuration", "%v", err).but(Bad, "a master does not start with it, and a running one keeps what it has",
				"relevo check tells the same while you edit"))
	}
	switch {
	case len(all) > 0:
	case h.ConfigFile == "":
		all = append(all, ok("configuration", "none: no ./%s, and -c names none", config.DefaultFile).but(OK,
			"what depends on an app was not looked at", "relevo doctor -c FILE"))
	default:
		all = append(all, ok("configuration", "%s is valid", h.ConfigFile))
	}
	return all
}

func command(h *Host) []Finding {
	switch {
	case !h.Configured:
		return nil
	case h.CommandError != nil:
		return []Finding{ok("command", "%v", h.CommandError).but(Bad, "no worker comes to life", "")}
	case len(h.App.Command) == 0:
		return []Finding{ok("command", "none in the file").but(OK,
			"it has to be given: relevo run -- COMMAND, or relevo serve", "")}
	}
	return []Finding{ok("command", "%s", strings.Join(append([]string{h.Program}, h.App.Command[1:]...), " "))}
}

func master(h *Host) []Finding {
	switch {
	case h.Running != nil:
		all := []Finding{ok("master", "%s runs: pid %d, relevo %s", h.Running.Name, h.Running.PID, h.Running.Version)}
		for _, warning := range h.Running.Warnings {
			all = append(all, ok("master", "%s", warning).but(Warn, "the running master warns of it, see relevo status", ""))
		}
		return all
	case h.Wanted != "":
		return []Finding{ok("master", "%s does not run, as far as %s tells", h.Wanted, h.Places.Runtime).but(Warn,
			"its configuration is known from a file at best",
			"relevo list shows what runs; RELEVO_RUNTIME_DIR and the user have to be those of the master")}
	}
	return nil
}

func listeners(h *Host) (all []Finding) {
	if !h.Configured {
		return nil
	}
	for _, l := range h.App.Listen {
		all = append(all, h.listener(l))
	}
	return all
}

func (h *Host) listener(l config.Listen) Finding {
	if h.Running != nil && holds(h.Running.Addresses, l) {
		return ok("listener", "%s is held by the running master (pid %d)", l, h.Running.PID)
	}
	err := h.Probes.Bind(l)
	if err == nil {
		return ok("listener", "%s can be bound", l)
	}
	f := ok("listener", "%s: %v", l, cause(err))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.but(Bad, "its directory is not there: a master does not start", "mkdir "+filepath.Dir(l.Address))
	case errors.Is(err, syscall.EADDRINUSE):
		return f.but(Bad, "another program has it: a master does not start",
			fmt.Sprintf("ss -lnp | grep -w %s names it", place(l)))
	case errors.Is(err, fs.ErrPermission):
		return f.but(Bad, "this user may not bind it",
			"a port from 1024 on, a place of this user's own, or CAP_NET_BIND_SERVICE")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return f.but(Bad, "no interface of this machine has that address", "ip address shows which there are")
	}
	return f.but(Bad, "a master does not start", "correct the address")
}

// cause removes the name of the failed call from an error.
func cause(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}

// place is the address as `ss` prints it.
func place(l config.Listen) string {
	if n := portOf(l); n > 0 {
		return fmt.Sprint(n)
	}
	return l.Address
}

// holds compares addresses as far as possible: the master reports them as they were bound.
func holds(addresses []string, l config.Listen) bool {
	return slices.ContainsFunc(addresses, func(a string) bool {
		a = strings.TrimPrefix(a, "unix:")
		port := portOf(l)
		return a == l.Address || port > 0 && strings.HasSuffix(a, fmt.Sprintf(":%d", port))
	})
}

// patience compares the time for a stop with the time that a container's runtime waits. systemd's
// limit is in the unit.
func patience(h *Host) []Finding {
	if !h.Configured || h.Patience.Max == 0 {
		return nil
	}
	takes := h.App.DrainTimeout + h.App.StopGrace
	f := ok("patience", "a stop takes %s at most, %s waits for %s", takes, h.Patience.Of, h.Patience.Max)
	if takes >= h.Patience.Max {
		f = f.but(Bad, "workers that still drain are killed, and relevo with them",
			fmt.Sprintf(h.Patience.How, int((takes+2*time.Second).Seconds())))
	}
	return []Finding{f}
}

func workers(h *Host) []Finding {
	if !h.Configured {
		return nil
	}
	f := ok("workers", "%s on %d processors", h.App.WorkerRange(), h.CPUs)
	switch {
	case h.App.LargestPool() > 8*h.CPUs:
		f = f.but(Warn, "they share processors and each takes its memory",
			`workers = "auto", unless each serves one request at a time`)
	case h.App.LargestPool() == 1:
		f = f.but(OK, "while a crashed worker is replaced, clients wait", "workers = 2")
	}
	return []Finding{f}
}

// signsOfLife are words that occur in programs that feed the watchdog.
func signsOfLife() []string {
	return []string{"WATCHDOG=1", "WATCHDOG_USEC", `"pong"`, "RELEVO_IPC_FD"}
}

// watchdog: a worker that never gives a sign of life is not watched, whatever limits.watchdog says.
func watchdog(h *Host) []Finding {
	switch {
	case !h.Configured || len(h.App.Command) == 0:
		return nil
	case h.App.Limits.Watchdog == 0:
		return []Finding{ok("watchdog", "none").but(OK, "a worker that hangs without dying is not noticed",
			`watchdog = "10s" under [limits]`)}
	}
	f := ok("watchdog", "%s", h.App.Limits.Watchdog)
	if speaks, known := h.speaks(); known && !speaks {
		f = f.but(Warn, filepath.Base(h.Program)+" has no word of WATCHDOG=1 nor of relevo's pings: it will not be watched",
			"sd_notify(WATCHDOG=1) at half of WATCHDOG_USEC, or answer pings on the channel")
	}
	return []Finding{f}
}

// maxProgram bounds how much of a program is read.
const maxProgram = 1 << 30

// speaks searches the program for signs of life. It cannot tell for an interpreter.
func (h *Host) speaks() (speaks, known bool) {
	data, err := safefile.Read(filepath.Join(h.Root, h.Program), maxProgram)
	if err != nil || len(h.App.Command) > 1 && bytes.HasPrefix(data, []byte("\x7fELF")) && h.exists(h.scriptOf()) {
		return false, false
	}
	return slices.ContainsFunc(signsOfLife(), func(word string) bool { return bytes.Contains(data, []byte(word)) }), true
}

// scriptOf is the first argument, which is probably a script.
func (h *Host) scriptOf() string {
	script := h.App.Command[1]
	if !filepath.IsAbs(script) {
		script = filepath.Join(h.App.Dir, script)
	}
	return script
}
