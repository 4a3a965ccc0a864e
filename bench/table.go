package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// table prints Markdown, a row as soon as it is known.
type table struct{}

func (table) header() {
	fmt.Println("| measured | median (min … max) | wanted |")
	fmt.Println("|---|---|---|")
}

func (table) row(what, value, wanted string) { fmt.Printf("| %s | %s | %s |\n", what, value, wanted) }

// spread renders a sample as median (min … max).
func spread(sample []float64, format string) string {
	slices.Sort(sample)
	n := len(sample)
	median := (sample[(n-1)/2] + sample[n/2]) / 2
	return fmt.Sprintf("**"+format+"** ("+format+" … "+format+")", median, sample[0], sample[n-1])
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func describeMachine() string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d processors, Linux %s, %s", runtime.NumCPU(), strings.TrimSpace(string(kernel)),
		runtime.Version())
}
