package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// sizeUnits are those of ParseSize, largest first. K, M and G alone mean 1000 to
// some and 1024 to others, so they are not among them.
func sizeUnits() []sizeUnit {
	return []sizeUnit{
		{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
		{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
	}
}

type sizeUnit struct {
	name  string
	bytes int64
}

// ParseSize reads a number of bytes: 512MiB, 1.5GB, or a plain number of bytes.
func ParseSize(text string) (int64, error) {
	number, bytes := text, int64(1)
	for _, unit := range sizeUnits() {
		if rest, ok := strings.CutSuffix(text, unit.name); ok {
			number, bytes = rest, unit.bytes
			break
		}
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil && n >= 0 && n <= math.MaxInt64/bytes && number[0] != '+' {
		return n * bytes, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	whole, fraction, point := strings.Cut(number, ".")
	if err != nil || !point || strings.Trim(whole+fraction, "0123456789") != "" || f*float64(bytes) >= math.MaxInt64 ||
		bytes == 1 {
		return 0, fmt.Errorf("cannot read %q as a size: write 512MiB, 1.5GB or a number of bytes", text)
	}
	return int64(f * float64(bytes)), nil
}

// SizeText returns a number of bytes as ParseSize takes it.
func SizeText(n int64) string {
	for _, unit := range sizeUnits()[:4] {
		if n > 0 && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// ParseFraction reads a part of a whole: 10% or 0.1.
func ParseFraction(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	f, err := strconv.ParseFloat(number, 64)
	if percent {
		f /= 100
	}
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, fmt.Errorf("cannot read %q as a part of a whole: write 10%% or 0.1, from 0 to 1", text)
	}
	return f, nil
}

// ParseUmask reads an octal file mode mask.
func ParseUmask(text string) (*int, error) {
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || n > 0o777 {
		return nil, fmt.Errorf("cannot read %q as a umask: write it in octal, such as 0022", text)
	}
	mask := int(n)
	return &mask, nil
}

// RlimitNames are the limits of setrlimit(2) on Linux, as Rlimit names them.
func RlimitNames() []string {
	return []string{
		"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc",
		"rss", "rtprio", "rttime", "sigpending", "stack",
	}
}

// ParseRlimit reads NAME=SOFT[:HARD], each a number in the limit's own unit or
// unlimited. Without HARD both are the same.
func ParseRlimit(text string) (Rlimit, error) {
	name, limits, ok := strings.Cut(text, "=")
	if !ok {
		return Rlimit{}, fmt.Errorf("cannot read %q as a limit: write NAME=SOFT or NAME=SOFT:HARD, such as nofile=65536",
			text)
	}
	return parseRlimit(name, limits)
}

func parseRlimit(name, limits string) (l Rlimit, err error) {
	if !slices.Contains(RlimitNames(), name) {
		return l, fmt.Errorf("cannot set the limit %q: known are %s", name, strings.Join(RlimitNames(), " "))
	}
	soft, hard, both := strings.Cut(limits, ":")
	if !both {
		hard = soft
	}
	l.Name = name
	l.Soft, err = parseRlimitNumber(soft)
	if err == nil {
		l.Hard, err = parseRlimitNumber(hard)
	}
	if err == nil && l.Soft > l.Hard {
		err = errors.New("the soft limit is above the hard one")
	}
	if err != nil {
		return Rlimit{}, fmt.Errorf("cannot read %q as the limit %s: %w", limits, name, err)
	}
	return l, nil
}

func parseRlimitNumber(text string) (uint64, error) {
	if text == "unlimited" {
		return Unlimited, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, errors.New("write a number, unlimited, or SOFT:HARD")
	}
	return n, nil
}

// limits returns the part after the name in the text of ParseRlimit.
func (l Rlimit) limits() string {
	show := func(n uint64) string {
		if n == Unlimited {
			return "unlimited"
		}
		return strconv.FormatUint(n, 10)
	}
	if l.Soft == l.Hard {
		return show(l.Soft)
	}
	return show(l.Soft) + ":" + show(l.Hard)
}
