// Package figures is how the benchmarks write what they have measured.
package figures

import (
	"fmt"
	"net"
	"os"
	"relevo/internal/procfs"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Spread renders a sample as median (min … max), each by format.
func Spread(sample []float64, format string) string {
	least, most := slices.Min(sample), slices.Max(sample)
	return fmt.Sprintf("**"+format+"** ("+format+" … "+format+")", Median(sample), least, most)
}

// Median is the middle of a sample, which has at least one value.
func Median(sample []float64) float64 {
	sorted := slices.Sorted(slices.Values(sample))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Milliseconds is a duration as a number for Spread.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Machine says where the figures are from: processors, kernel, version of Go.
func Machine() string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d processors, Linux %s, %s", runtime.NumCPU(), strings.TrimSpace(string(kernel)),
		runtime.Version())
}

// Load is the load average of the last minute: what the machine did before the benchmark.
func Load() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	load, _ := strconv.ParseFloat(first, 64)
	return load
}

// FreeAddress is one of 127.0.0.1 that no program has at this moment, for programs that want
// it named.
func FreeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// Memory adds up fields of a process's smaps_rollup (proc_pid_smaps(5)), in MiB.
func Memory(pid int, fields ...string) (mib float64, err error) {
	text, err := procfs.Read(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("cannot read the memory of process %d: %w", pid, err)
	}
	for _, field := range fields {
		value, _ := procfs.StatusField(string(text), field)
		kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		if err != nil {
			return 0, fmt.Errorf("cannot read the memory of process %d: %w", pid, err)
		}
		mib += float64(kib) / 1024
	}
	return mib, nil
}
