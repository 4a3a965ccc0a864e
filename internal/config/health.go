package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Health says how to check whether workers still serve. The zero value checks nothing. If
// there are several checks, all must pass.
type Health struct {
	HTTP    string      // path of a GET request; empty: none
	Status  StatusRange // of the answer
	Body    string      // text that the answer holds; empty: any
	Host    string      // of the request; empty: the address
	Headers []Header    // of the request
	TCP     bool        // a connection must be accepted
	Command string      // of the shell, which must exit with 0; empty: none

	Interval    time.Duration // between two questions to one worker
	Timeout     time.Duration // of an answer; 0: half the interval, at most MaxDefaultTimeout
	Failures    int           // in a row, after which a worker fails
	StartPeriod time.Duration // of a new worker, in which failures do not count
}

// Defaults of Health.
const (
	DefaultHealthInterval = 10 * time.Second
	DefaultHealthFailures = 3
	MaxDefaultTimeout     = 2 * time.Second
)

// minHealthInterval keeps checks from taking all the time of workers and master.
const minHealthInterval = 100 * time.Millisecond

// maxHealthFailures is a bound against typing errors.
const maxHealthFailures = 1000

// StatusRange is what an answer's status has to be in.
type StatusRange struct{ Low, High int }

// Holds says whether a status is in the range.
func (r StatusRange) Holds(status int) bool { return r.Low <= status && status <= r.High }

// String returns the range as the file has it.
func (r StatusRange) String() string {
	switch {
	case r == StatusRange{}:
		return ""
	case r.Low == r.High:
		return strconv.Itoa(r.Low)
	}
	return fmt.Sprintf("%d-%d", r.Low, r.High)
}

// ParseStatusRange reads 200 or 200-399.
func ParseStatusRange(text string) (StatusRange, error) {
	low, high, both := strings.Cut(text, "-")
	if !both {
		high = low
	}
	l, lowErr := strconv.Atoi(low)
	h, highErr := strconv.Atoi(high)
	if lowErr != nil || highErr != nil || l < 200 || h > 599 || l > h {
		return StatusRange{}, fmt.Errorf("cannot use %q as a status: write 200 or 200-399, from 200 to 599", text)
	}
	return StatusRange{l, h}, nil
}

// Header is one line of a request's head.
type Header struct{ Name, Value string }

// ParseHeader reads NAME=VALUE.
func ParseHeader(text string) (Header, error) {
	name, value, ok := strings.Cut(text, "=")
	bad := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("()<>@,;:\\\"/[]?={}", r) }
	if !ok || name == "" || strings.ContainsFunc(name, bad) {
		return Header{}, fmt.Errorf("cannot use %q as the name of a header", name)
	}
	if strings.ContainsFunc(value, unprintable) {
		return Header{}, fmt.Errorf("cannot use the value of header %s: it has a control character", name)
	}
	return Header{name, value}, nil
}

func unprintable(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// On says whether anything is asked.
func (h Health) On() bool { return h.HTTP != "" || h.TCP || h.Command != "" }

// String names what is asked, for people: "GET /healthz".
func (h Health) String() string {
	var all []string
	if h.HTTP != "" {
		all = append(all, "GET "+h.HTTP)
	}
	if h.TCP {
		all = append(all, "tcp")
	}
	if h.Command != "" {
		all = append(all, "command")
	}
	return strings.Join(all, ", ")
}

// What describes all settings on which a good answer depends.
func (h Health) What() string {
	h.Interval, h.Timeout, h.Failures, h.StartPeriod = 0, 0, 0, 0
	return h.Key()
}

// Key describes all settings: equal checks have the same key.
func (h Health) Key() string { return fmt.Sprintf("%+v", h) }

// Patience is how long one answer may take.
func (h Health) Patience() time.Duration {
	if h.Timeout > 0 {
		return h.Timeout
	}
	return min(h.Interval/2, MaxDefaultTimeout)
}

func healthSettings() []Setting {
	all := []Setting{
		one("health.http", "health", path(), Live, func(a *App) *string { return &a.Health.HTTP },
			"path of the health check, such as /healthz; a worker that fails it is replaced"),
		one("health.status", "health-status",
			textOrNumber(written("STATUS", "200-399", ParseStatusRange, StatusRange.String)), Live,
			func(a *App) *StatusRange { return &a.Health.Status }, "status of a healthy response"),
		one("health.body", "health-body", plain("TEXT", "ok"), Live, func(a *App) *string { return &a.Health.Body },
			"text that a healthy response contains"),
		one("health.host", "health-host", hostName(), Live,
			func(a *App) *string { return &a.Health.Host },
			"Host header of the request (default: the address)"),
		tableOf("health.headers", "health-header", headers(), Live, func(a *App) *[]Header { return &a.Health.Headers },
			"a header of the request"),
		one("health.tcp", "health-tcp", boolean(), Live, func(a *App) *bool { return &a.Health.TCP },
			"check that each worker accepts a connection"),
		one("health.command", "health-command", plain("COMMAND", "./check"), Live,
			func(a *App) *string { return &a.Health.Command },
			"shell command that checks a worker; it has to exit with 0"),
		one("health.interval", "health-interval", duration(), Live, func(a *App) *time.Duration { return &a.Health.Interval },
			"time between two checks of a worker, at least 100ms"),
		one("health.timeout", "health-timeout", duration(), Live, func(a *App) *time.Duration { return &a.Health.Timeout },
			"how long a response may take, at most the interval; 0 for half the interval, at most 2s"),
		one("health.failures", "health-failures", number(DefaultHealthFailures, 1, maxHealthFailures), Live,
			func(a *App) *int { return &a.Health.Failures },
			"number of failures in a row after which a worker is replaced"),
		one("health.start_period", "health-start-period", duration(), Live,
			func(a *App) *time.Duration { return &a.Health.StartPeriod },
			"time after a worker's start in which failures do not count"),
	}
	for i := range all {
		all[i].Secret = all[i].Key == "health.headers"
	}
	return all
}

func path() kind[string] {
	return written("PATH", "/healthz", func(text string) (string, error) {
		if !strings.HasPrefix(text, "/") || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return "", fmt.Errorf("cannot use %q as a path: it begins with / and has no spaces, such as /healthz", text)
		}
		return text, nil
	}, func(text string) string { return text })
}

// hostName is the value of a Host header: what stands before and after the name in a URL
// would be cut off when it is sent.
func hostName() kind[string] {
	bad := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/\\\"<>?#@", r) }
	return written("HOST", "shop.example", func(text string) (string, error) {
		if text == "" || strings.ContainsFunc(text, bad) {
			return "", fmt.Errorf("cannot use %q as the Host of a request: write a name alone, such as shop.example "+
				"or shop.example:8080", text)
		}
		return text, nil
	}, func(text string) string { return text })
}

func headers() named[Header] {
	k := written("NAME=VALUE", "value", ParseHeader, func(h Header) string { return h.Name + "=" + h.Value })
	return named[Header]{k, func(h Header) (string, string) { return h.Name, h.Value }}
}

func (h *Health) problems() (all []problem) {
	wrong := func(is bool, key, format string, args ...any) {
		if is {
			all = append(all, problem{key, fmt.Errorf(format, args...)})
		}
	}
	wrong(h.Interval < minHealthInterval, "health.interval", "cannot check health every %s: write at least %s", h.Interval,
		minHealthInterval)
	wrong(h.Timeout > h.Interval && h.Interval >= minHealthInterval, "health.timeout",
		"cannot wait %s for an answer: write at most the interval, which is %s", h.Timeout, h.Interval)
	wrong(h.Timeout != 0 && h.Timeout < time.Millisecond, "health.timeout",
		"cannot wait only %s for an answer: write at least 1ms", h.Timeout)
	wrong(h.Host != "" && slices.ContainsFunc(h.Headers, func(one Header) bool {
		return strings.EqualFold(one.Name, "Host")
	}), "health.host", "cannot send two Host headers: health.headers has one beside health.host; leave one out")
	wrong(h.Failures < 1 || h.Failures > maxHealthFailures, "health.failures",
		"cannot count %d failures: write 1 to %d", h.Failures, maxHealthFailures)
	return all
}

// clone shares no list with h.
func (h Health) clone() Health {
	h.Headers = slices.Clone(h.Headers)
	return h
}
