package procnet

import (
	"os"
	"slices"
	"strconv"
	"strings"
)

// Overflows is how often a connection was turned away in this network namespace since the
// machine has started, because the accept queue of its listener was full.
func Overflows() (n int, ok bool) {
	text, err := os.ReadFile("/proc/net/netstat")
	if err != nil {
		return 0, false
	}
	return counter(string(text), "TcpExt:", "ListenOverflows")
}

// counter finds a number in pairs of lines: names, and below them numbers.
func counter(text, table, name string) (n int, ok bool) {
	var names []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != table {
			continue
		}
		if names == nil {
			names = words
			continue
		}
		at := slices.Index(names, name)
		if at < 0 || at >= len(words) {
			return 0, false
		}
		n, err := strconv.Atoi(words[at])
		return n, err == nil
	}
	return 0, false
}
