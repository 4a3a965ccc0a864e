// Package phrase writes numbers, hashes and addresses as people are shown them.
package phrase

import (
	"net"
	"strconv"
	"strings"
)

// Count is "1 worker" or "2 workers", "1 copy" or "2 copies".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, found := strings.CutSuffix(noun, "y"); found {
		return strconv.Itoa(n) + " " + stem + "ies"
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// KnownBad is said of a release whose bytes have failed, or from which a user rolled back.
const KnownBad = "is known to be bad"

// HashWidth is how much of a hash tells releases apart.
const HashWidth = 12

// Hash is the beginning of a hash.
func Hash(hash string) string { return hash[:min(len(hash), HashWidth)] }

// Reachable is where this host reaches the listener at an address; self stands for the
// host where the listener is on all addresses: localhost or 127.0.0.1. What is no host
// and port is left as it is.
func Reachable(address, self string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = self
	}
	return net.JoinHostPort(host, port)
}

// URL is Reachable for HTTP.
func URL(address, self string) string {
	return "http://" + strings.TrimSuffix(Reachable(address, self), ":80")
}

// Size is a number of bytes for people, two digits of it at least.
func Size(bytes int64) string {
	units := [...]string{"B", "KiB", "MiB", "GiB", "TiB"}
	size, unit := float64(bytes), 0
	for size >= 1000 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	if unit == 0 || size >= 10 {
		return strconv.FormatFloat(size, 'f', 0, 64) + " " + units[unit]
	}
	return strconv.FormatFloat(size, 'f', 1, 64) + " " + units[unit]
}
