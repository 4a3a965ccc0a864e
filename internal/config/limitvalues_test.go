package config

import (
	"strconv"
	"testing"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "512": 512, "512B": 512, "1KiB": 1024, "1kB": 1000, "512MiB": 512 << 20, "1.5GB": 1_500_000_000,
		"1.5GiB": 3 << 29, "2TiB": 2 << 40,
	} {
		got, err := ParseSize(text)
		if err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
		if again, err := ParseSize(SizeText(got)); err != nil || again != got {
			t.Errorf("%d is written %q, which is read as %d, %v", got, SizeText(got), again, err)
		}
	}
	for _, text := range []string{"", "MiB", "512M", "1K", "-1", "+1", "1.5", "1.5B", "0x10", "1e3", "1_000", "inf",
		"NaNGB", "9999999TiB", "9223372036854775808", "1 GB"} {
		_, err := ParseSize(text)
		wantCannot(t, err, strconv.Quote(text), "512MiB, 1.5GB")
	}
}

func TestParseFraction(t *testing.T) {
	for text, want := range map[string]float64{"0": 0, "1": 1, "0.1": 0.1, "10%": 0.1, "100%": 1, "2.5%": 0.025} {
		if got, err := ParseFraction(text); err != nil || got != want {
			t.Errorf("ParseFraction(%q) = %g, %v, want %g", text, got, err, want)
		}
	}
	for _, text := range []string{"", "%", "-0.1", "1.1", "101%", "NaN", "Inf", "ten"} {
		_, err := ParseFraction(text)
		wantCannot(t, err, strconv.Quote(text), "10% or 0.1")
	}
}

func TestParseRlimit(t *testing.T) {
	for text, want := range map[string]Rlimit{
		"nofile=65536":                 {"nofile", 65536, 65536},
		"nofile=1024:4096":             {"nofile", 1024, 4096},
		"core=0:unlimited":             {"core", 0, Unlimited},
		"stack=unlimited":              {"stack", Unlimited, Unlimited},
		"cpu=7:unlimited":              {"cpu", 7, Unlimited},
		"memlock=18446744073709551615": {"memlock", Unlimited, Unlimited},
	} {
		got, err := ParseRlimit(text)
		if err != nil || got != want {
			t.Errorf("ParseRlimit(%q) = %v, %v, want %v", text, got, err, want)
		}
		if again, err := ParseRlimit(got.Name + "=" + got.limits()); err != nil || again != want {
			t.Errorf("%v is written %q, which is read as %v, %v", got, got.limits(), again, err)
		}
	}
	for text, says := range map[string]string{
		"nofile": "NAME=SOFT", "NOFILE=1": "known are as core", "files=1": "known are as core",
		"nofile=":      "unlimited, or SOFT:HARD",
		"nofile=1:2:3": "unlimited, or SOFT:HARD", "nofile=-1": "unlimited, or SOFT:HARD",
		"nofile=unlimited:5": "above the hard one",
	} {
		_, err := ParseRlimit(text)
		wantCannot(t, err, says)
	}
}

func TestDurationText(t *testing.T) {
	for _, text := range []string{"0s", "30s", "5m", "1h", "1h30m", "1h0m1s", "1.5s", "500ms", "10m", "100h"} {
		d, err := ParseDuration(text)
		if got := DurationText(d); err != nil || got != text {
			t.Errorf("%q is written %q, %v", text, got, err)
		}
	}
}
