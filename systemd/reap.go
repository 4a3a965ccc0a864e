package systemd

import (
	"slices"
	"strings"
)

// Ending describes, for a unit's ExecStopPost=, how its main process ended (systemd.exec(5),
// $SERVICE_RESULT and following), and what systemd will do with the unit next.
type Ending struct {
	Result string // SERVICE_RESULT: success, exit-code, signal, timeout, watchdog, …
	Code   string // EXIT_CODE: exited, killed, dumped
	Status string // EXIT_STATUS: a number or the name of a signal
	Job    string // the job that is queued for the unit: stop, restart, …; empty: none
}

// Final says whether all processes of the service have to end, because the service stops
// or restarts. Otherwise the main process has died, and systemd starts another one, which
// takes over the workers. prevents is the unit's RestartPreventExitStatus.
func (e Ending) Final(prevents ...string) bool {
	switch {
	case e.Job == "stop" || e.Job == "restart" || e.Job == "try-restart":
		return true
	case e.Result == "success": // Restart=on-failure does not restart the service
		return true
	}
	return e.Code == "exited" && slices.Contains(prevents, e.Status)
}

// jobOf finds a unit's job in what systemctl list-jobs prints: number, unit, type
// and state on each line.
func jobOf(unit, list string) string {
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) >= 3 && f[1] == unit {
			return f[2]
		}
	}
	return ""
}
