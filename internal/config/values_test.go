package config

import (
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParseWorkers(t *testing.T) {
	cpus := runtime.GOMAXPROCS(0)
	for text, want := range map[string]int{
		"auto": cpus, "max": cpus, "0": cpus, "1": 1, "7": 7, "1024": MaxWorkers,
	} {
		if got, err := ParseWorkers(text); err != nil || got != want {
			t.Errorf("ParseWorkers(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "-0", "00", "1025", "many", "+2", "1.5", "0x10", " 1",
		"99999999999999999999"} {
		got, err := ParseWorkers(text)
		wantCannot(t, err, strconv.Quote(text), "1 to 1024", "auto")
		if got != 0 {
			t.Errorf("ParseWorkers(%q) = %d beside its error", text, got)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "500ms": 500 * time.Millisecond, "30s": 30 * time.Second,
		"1h30m": 90 * time.Minute, "1.5s": 1500 * time.Millisecond, "10us": 10 * time.Microsecond,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for text, says := range map[string]string{
		"30":       "the unit is missing (write 30s or 30ms)",
		"1.5":      "the unit is missing (write 1.5s or 1.5ms)",
		"":         "write 500ms, 30s, 5m or 1h30m",
		"soon":     "write 500ms, 30s, 5m or 1h30m",
		"5 s":      "write 500ms, 30s, 5m or 1h30m",
		"1d":       "write 500ms, 30s, 5m or 1h30m",
		"infinity": "write 500ms, 30s, 5m or 1h30m",
		"NaN":      "write 500ms, 30s, 5m or 1h30m",
		"-30s":     "negative",
	} {
		_, err := ParseDuration(text)
		wantCannot(t, err, strconv.Quote(text), says)
	}
}

func TestParseReady(t *testing.T) {
	for text, want := range map[string]Ready{
		"auto": {Mode: ReadyAuto}, "notify": {Mode: ReadyNotify}, "ipc": {Mode: ReadyIPC},
		"delay=2s": {ReadyDelay, 2 * time.Second}, "delay=0": {ReadyDelay, 0},
	} {
		got, err := ParseReady(text)
		if err != nil || got != want {
			t.Errorf("ParseReady(%q) = %+v, %v, want %+v", text, got, err, want)
		}
		if again, err := ParseReady(got.String()); err != nil || again != got {
			t.Errorf("ParseReady(%q) = %+v, %v after String", got, again, err)
		}
	}
	for _, text := range []string{"", "Auto", "delay", "exec", "observed"} {
		_, err := ParseReady(text)
		wantCannot(t, err, strconv.Quote(text), "auto, notify, ipc and delay=2s")
	}
	_, err := ParseReady("delay=2")
	wantCannot(t, err, `"2"`, "unit is missing")
	_, err = ParseReady("delay=")
	wantCannot(t, err, `""`, "30s")
}

func TestParseOutput(t *testing.T) {
	for _, want := range []Output{OutputAuto, OutputPrefix, OutputPlain, OutputInherit} {
		if got, err := ParseOutput(string(want)); err != nil || got != want {
			t.Errorf("ParseOutput(%q) = %q, %v", want, got, err)
		}
	}
	_, err := ParseOutput("json")
	wantCannot(t, err, `"json"`, "auto, prefix, plain, inherit and files")
}

// What relevo tells each worker is not for the configuration to set.
func TestReservedVariables(t *testing.T) {
	for _, text := range []string{"LISTEN_FDS=3", "NOTIFY_SOCKET=/x", "RELEVO_SLOT="} {
		name, _, _ := strings.Cut(text, "=")
		if _, err := parseVariable(text); err == nil || !strings.Contains(err.Error(), "cannot set "+name+": ") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if got, err := parseVariable("RELEVO_LISTEN=:80"); err != nil || got != "RELEVO_LISTEN=:80" {
		t.Errorf("%q, %v", got, err) // a relevo that is a worker may want it
	}
}

func TestParseEnv(t *testing.T) {
	for _, text := range []string{"K=V", "K=", "K=a=b", "K= spaces stay ", "ü=1"} {
		if got, err := ParseEnv(text); err != nil || got != text {
			t.Errorf("ParseEnv(%q) = %q, %v", text, got, err)
		}
	}
	for text, shown := range map[string]string{"": "", "K": "K", "=V": "=", "=": "="} {
		_, err := ParseEnv(text)
		wantCannot(t, err, strconv.Quote(shown), "write NAME=VALUE")
	}
	_, err := ParseEnv("K=a\x00b")
	wantCannot(t, err, `"K"`, "NUL")
}

// TestVariableWithoutValue: NAME alone is relevo's own; what is none gets the error.
func TestVariableWithoutValue(t *testing.T) {
	for _, text := range []string{"NAME", "_x1", "A=b", "A="} {
		if got, err := parseVariable(text); err != nil || got != text {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "A B", "1A", "my-secret", "--x", "RELEVO_SLOT", "NOTIFY_SOCKET", "LISTEN_FDS=1"} {
		if got, err := parseVariable(text); err == nil {
			t.Errorf("%q is %q", text, got)
		}
	}
}

func TestEnvInherit(t *testing.T) {
	for text, want := range map[string][]string{ // of PATH, LANG, LC_TIME, HOME
		"true": {"PATH", "LANG", "LC_TIME", "HOME"}, "false": nil, "PATH,LANG": {"PATH", "LANG"}, "LC_*": {"LC_TIME"},
		"0":   nil,
		"PAT": nil,
	} {
		inherit, err := ParseEnvInherit(text)
		var got []string
		for _, name := range []string{"PATH", "LANG", "LC_TIME", "HOME"} {
			if inherit.Takes(name) {
				got = append(got, name)
			}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q takes %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "A,,B", "A=b", "*", "A*B", "A B"} {
		_, err := ParseEnvInherit(text)
		wantCannot(t, err, "true, false, or names such as PATH,LANG,LC_*")
	}
	for text, want := range map[string]string{
		"env_inherit = true": "true", "env_inherit = false": "false", `env_inherit = ["PATH", "LC_*"]`: `["PATH", "LC_*"]`,
		"env_inherit = []": "false",
	} {
		app, err := resolveText(text)
		if got := app.EnvInherit.render(); err != nil || got != want {
			t.Errorf("%s is %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"env_inherit = 1", `env_inherit = "PATH"`, "env_inherit = [1]",
		`env_inherit = ["A=b"]`} {
		_, err := resolveText(text)
		wantError(t, err, ":1:15: cannot use ")
	}
}

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]syscall.Signal{
		"TERM": syscall.SIGTERM, "SIGTERM": syscall.SIGTERM, "sigterm": syscall.SIGTERM, "term": syscall.SIGTERM,
		"15": syscall.SIGTERM, "USR2": syscall.SIGUSR2, "QUIT": syscall.SIGQUIT, "1": 1, "64": 64, "SIG34": 34,
	} {
		if got, err := ParseSignal(text); err != nil || got != want {
			t.Errorf("ParseSignal(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "SIG", "TERMINATE", "SIGSIGTERM", "0", "65", "-9", "SIG0"} {
		_, err := ParseSignal(text)
		wantCannot(t, err, strconv.Quote(text), " TERM ", " HUP ", " QUIT ")
	}
}

// TestSignalNames: every number can be written and read again, also those that
// have no name.
func TestSignalNames(t *testing.T) {
	for sig := syscall.Signal(1); sig <= 64; sig++ {
		name := SignalName(sig)
		if !strings.HasPrefix(name, "SIG") {
			t.Errorf("SignalName(%d) = %q", sig, name)
		}
		if got, err := ParseSignal(name); err != nil || got != sig {
			t.Errorf("ParseSignal(%q) = %d, %v, want %d", name, got, err, sig)
		}
	}
	if name := SignalName(syscall.SIGSEGV); name != "SIGSEGV" {
		t.Errorf("SignalName(SIGSEGV) = %q", name)
	}
}
