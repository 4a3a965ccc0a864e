package monitor

import (
	"fmt"
	"net/http"
	"strings"

	"relevo/internal/config"
	"relevo/internal/health"
)

// hint names the setting that is likely wrong if a bad answer suggests that the check is wrong, and
// not the worker; empty: it does not.
func hint(h config.Health, fault string, status int) string {
	switch status {
	case http.StatusNotFound, http.StatusGone, http.StatusMethodNotAllowed:
		return fmt.Sprintf("the path is likely wrong: correct health.http (%s), then relevo reload", h.HTTP)
	case http.StatusUnauthorized, http.StatusForbidden:
		return "the check may not ask: set health.headers, or another path in health.http"
	case http.StatusBadRequest, http.StatusMisdirectedRequest:
		return "the program does not take this request: set health.host to a name that it serves, or health.headers"
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect,
		http.StatusPermanentRedirect:
		return "the path leads elsewhere: correct health.http or health.host"
	}
	switch {
	case status != 0 && h.Status.Holds(status):
		return fmt.Sprintf("the answer holds another text: correct health.body (%q)", h.Body)
	case strings.Contains(fault, "the answer is not HTTP/1"):
		return "the program does not speak plain HTTP/1 there: write health.tcp = true or health.command in the " +
			"place of health.http"
	case strings.HasPrefix(fault, "command: exit status 127"), strings.HasPrefix(fault, "command: exit status 126"):
		return fmt.Sprintf("the shell cannot run it: correct health.command (%s)", h.Command)
	}
	return ""
}

// unwell is the refusal of a starting worker: launch.Admission.
type unwell struct{ fault, hint string }

func (u *unwell) Error() string { return health.Reason(u.fault) }

// Hint says what to do about it; empty: the worker may only be slow.
func (u *unwell) Hint() string { return u.hint }
