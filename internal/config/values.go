package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ParseDuration reads a length of time with its unit; 0 needs none.
func ParseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		if text != "" && strings.Trim(text, "0123456789.") == "" {
			return 0, fmt.Errorf("cannot read %q as a duration: the unit is missing (write %ss or %sms)", text, text, text)
		}
		return 0, fmt.Errorf("cannot read %q as a duration: write 500ms, 30s, 5m or 1h30m", text)
	}
	if d < 0 {
		return 0, fmt.Errorf("cannot read %q as a duration: it is negative", text)
	}
	return d, nil
}

// DurationText returns a length of time without the parts that are 0: 5m, not 5m0s.
func DurationText(d time.Duration) string {
	text := d.String()
	if d != 0 && d%time.Minute == 0 {
		text = strings.TrimSuffix(text, "0s")
	}
	if d != 0 && d%time.Hour == 0 {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// ReadyMode says in which way a worker becomes ready.
type ReadyMode string

// The modes.
const (
	ReadyAuto   ReadyMode = "auto"   // whatever comes first: it says so, or the kernel shows it
	ReadyNotify ReadyMode = "notify" // READY=1 on NOTIFY_SOCKET
	ReadyIPC    ReadyMode = "ipc"    // {"relevo":"ready"} on the channel
	ReadyDelay  ReadyMode = "delay"  // it has lived for Ready.Delay
)

// Ready says in which way a worker becomes ready.
type Ready struct {
	Mode  ReadyMode
	Delay time.Duration // ReadyDelay only
}

// String returns the value as it is written for --ready.
func (r Ready) String() string {
	if r.Mode == ReadyDelay {
		return "delay=" + DurationText(r.Delay)
	}
	return string(r.Mode)
}

// ParseReady reads auto, notify, ipc or delay=DURATION.
func ParseReady(text string) (Ready, error) {
	if value, ok := strings.CutPrefix(text, "delay="); ok {
		d, err := ParseDuration(value)
		return Ready{Mode: ReadyDelay, Delay: d}, err
	}
	switch mode := ReadyMode(text); mode {
	case ReadyAuto, ReadyNotify, ReadyIPC:
		return Ready{Mode: mode}, nil
	}
	return Ready{}, fmt.Errorf("cannot use %q for ready: auto, notify, ipc and delay=2s exist", text)
}

// ParseOutput reads auto, prefix, plain, inherit or files.
func ParseOutput(text string) (Output, error) {
	return oneOf("output", OutputAuto, OutputPrefix, OutputPlain, OutputInherit, OutputFiles)(text)
}

// ParseEnv checks one K=V.
func ParseEnv(text string) (string, error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok || key == "" {
		// The part after an equals sign may be a secret, so the error does not show it.
		return "", fmt.Errorf("cannot use %q as an environment variable: write NAME=VALUE", text[:len(text)-len(value)])
	}
	if strings.ContainsRune(text, 0) {
		return "", fmt.Errorf("cannot use %q as an environment variable: it has a NUL byte", key)
	}
	return text, nil
}

// parseVariable is ParseEnv for a variable of the workers of this app. A NAME without a value
// is taken from relevo's own environment. Variables that the master itself sets for each
// worker are refused.
func parseVariable(text string) (string, error) {
	if !isVariableName(text) {
		if _, err := ParseEnv(text); err != nil {
			return "", err
		}
	}
	switch name, _, _ := strings.Cut(text, "="); name {
	case "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
		"RELEVO_NAME", "RELEVO_SLOT", "RELEVO_WORKER", "RELEVO_GENERATION", "RELEVO_IPC_FD", "RELEVO_CONTROL":
		return "", fmt.Errorf("cannot set %s: relevo gives each worker its own; remove it", name)
	}
	return text, nil
}

// isVariableName says whether a text is a name as shells allow it.
func isVariableName(text string) bool {
	for i, r := range text {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return text != ""
}

// ParseSignal reads a signal's name or its number, with or without SIG.
func ParseSignal(text string) (syscall.Signal, error) {
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= 64 {
		return syscall.Signal(n), nil
	}
	if sig, ok := signals[name]; ok {
		return sig, nil
	}
	return 0, fmt.Errorf("cannot use %q as a signal: known are %s", text, strings.Join(slices.Sorted(maps.Keys(signals)),
		" "))
}

// SignalName returns SIGTERM for 15; SIG63 where the number has no name here.
func SignalName(sig syscall.Signal) string {
	for name, s := range signals {
		if s == sig {
			return "SIG" + name
		}
	}
	return "SIG" + strconv.Itoa(int(sig))
}

// signals are those of signal(7) that both Linux and macOS have.
var signals = map[string]syscall.Signal{
	"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "QUIT": syscall.SIGQUIT, "ILL": syscall.SIGILL,
	"TRAP": syscall.SIGTRAP, "ABRT": syscall.SIGABRT, "BUS": syscall.SIGBUS, "FPE": syscall.SIGFPE,
	"KILL": syscall.SIGKILL, "USR1": syscall.SIGUSR1, "SEGV": syscall.SIGSEGV, "USR2": syscall.SIGUSR2,
	"PIPE": syscall.SIGPIPE, "ALRM": syscall.SIGALRM, "TERM": syscall.SIGTERM, "CHLD": syscall.SIGCHLD,
	"CONT": syscall.SIGCONT, "STOP": syscall.SIGSTOP, "TSTP": syscall.SIGTSTP, "TTIN": syscall.SIGTTIN,
	"TTOU": syscall.SIGTTOU, "URG": syscall.SIGURG, "XCPU": syscall.SIGXCPU, "XFSZ": syscall.SIGXFSZ,
	"VTALRM": syscall.SIGVTALRM, "PROF": syscall.SIGPROF, "WINCH": syscall.SIGWINCH, "IO": syscall.SIGIO,
	"SYS": syscall.SIGSYS,
}

func parseBool(text string) (bool, error) {
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("cannot use %q as a yes or no: write true or false", text)
	}
	return b, nil
}
