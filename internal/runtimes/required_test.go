package runtimes

import "testing"

func TestSatisfies(t *testing.T) {
	t.Parallel()
	for wanted, want := range map[string]string{
		"20": "yes", "v20.20.2": "yes", "20.x": "yes", "20.20": "yes", "*": "yes", ">=18": "yes", ">= 18": "yes",
		"^20.1": "yes", "~20.20.1": "yes", "18 || 20": "yes",
		">=18 <21": "yes", "18 - 20": "yes", ">20.20.1": "yes", "<=20": "yes", "=20.20.2": "yes",
		"18": "no", "20.1": "no", ">20": "no", "<20": "no", "~20.1": "no", "^18.2.0": "no", "18.x || 22.x": "no",
		">=22.18.0": "no", "^20.21.0": "no", "16 - 18": "no",
		"lts/iron": "unknown", "node": "unknown", "": "unknown", "20 || lts": "unknown",
	} {
		fits, known := satisfies("v20.20.2", wanted)
		if got := map[[2]bool]string{{true, true}: "yes", {false, true}: "no",
			{false, false}: "unknown"}[[2]bool{fits, known}]; got != want {
			t.Errorf("%q: %s, want %s", wanted, got, want)
		}
	}
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{fd}": "{:fd}", "a{addr:web}b{slot}": "a{:addr:web}b{:slot}", "{:fd}": "{::fd}", "{out}": "{:out}", "{fds}": "{fds}",
		"{x}": "{x}", "{": "{", "{{fd}}": "{{:fd}}",
	} {
		if got := literal(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
