package procfs

import (
	"os"
	"strings"
	"testing"
	"time"
)

// A process gives itself its name (prctl(2)): it may look like the end of one.
func TestParseStat(t *testing.T) {
	tail := " 7 8 9 34816 -1 4194304 1 2 3 4 11 12" + strings.Repeat(" 0", 8) + " 99" + strings.Repeat(" 0", 27)
	for name, text := range map[string]string{
		"plain":              "42 (sh) Z" + tail + " 256 0\n",
		"a space":            "42 (tmux: server) Z" + tail + " 256\n",
		"a parenthesis":      "42 (a) b) Z" + tail + " 256\n",
		"another stat":       "42 (x) S 1 2 3) Z" + tail + " 256\n",
		"nothing but one":    "42 ()) Z" + tail + " 256\n",
		"a newline":          "42 (a\n) S) Z" + tail + " 256\n",
		"an opening one too": "42 (((x)) Z" + tail + " 256\n",
	} {
		s, ok := parseStat(text)
		if !ok {
			t.Errorf("%s: not understood", name)
			continue
		}
		code, isZombie := s.ExitCode()
		if s.State() != 'Z' || !s.Stopped() || s.Parent() != 7 || !s.HasTerminal() || s.CPU() != 230*time.Millisecond ||
			s.Resident() != 99*int64(os.Getpagesize()) ||
			code != 256 || !isZombie {
			t.Errorf("%s: %q %d %v %d %d %d %v", name, s.State(), s.Parent(), s.HasTerminal(), s.CPU(), s.Resident(), code,
				isZombie)
		}
	}
	for _, text := range []string{"", "42 (sh", "42 (sh)", "42 sh S 1", "42 (sh) sleeping 1"} {
		if _, ok := parseStat(text); ok {
			t.Errorf("%q is understood", text)
		}
	}
	if s, ok := parseStat("42 (sh) S 7 8 9 0"); !ok || s.HasTerminal() || s.Stopped() || s.Resident() != 0 {
		t.Errorf("a short one: %v", s)
	} else if _, isZombie := s.ExitCode(); isZombie {
		t.Error("a sleeper has an exit code")
	}
}

func TestStatusField(t *testing.T) {
	const text = "Name:\tCapEff: 1\nUmask:\t0022\nUid:\t1\t2\t3\t4\nCapEff:\t00ff\n"
	for field, want := range map[string]string{"Umask": "0022", "Uid": "1\t2\t3\t4", "CapEff": "00ff"} {
		if got, found := StatusField(text, field); got != want || !found {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
	if _, found := StatusField(text, "Cap"); found {
		t.Error("the beginning of a field is taken for a field")
	}
}
