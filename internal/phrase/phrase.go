// Package phrase writes numbers, hashes and addresses as people are shown them.
package phrase

import (
	"net"
	"strconv"
	"strings"
)

// Count is "1 worker" or "2 workers", "1 copy" or "2 copies", "1 process" or "2 processes".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, found := strings.CutSuffix(noun, "y"); found {
		return strconv.Itoa(n) + " " + stem + "ies"
	}
	if strings.HasSuffix(noun, "s") {
		noun += "e"
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// KnownBad is said of a release whose bytes have failed, or from which a user rolled back.
const KnownBad = "is known to be bad"

// HashWidth is how much of a hash tells releases apart.
const HashWidth = 12

// Hash is the beginning of a hash.
func Hash(hash string) string { return hash[:min(len(hash), HashWidth)] }

// Reachable is where this host reaches the listener at an address. If it listens on all
// addresses, self takes their place: localhost for people, 127.0.0.1 for programs, because a
// host may have no resolver and no ::1, and ::1 for a listener of IPv6 alone. The address of a
// Unix socket is returned unchanged.
func Reachable(address, self string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || IsUnix(address) {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = self
	}
	return net.JoinHostPort(host, port)
}

// URL is Reachable as a URL of HTTP; for a Unix socket it is unix:/PATH or unix:@NAME.
func URL(address, self string) string {
	if IsUnix(address) {
		return "unix:" + address
	}
	return "http://" + strings.TrimSuffix(Reachable(address, self), ":80")
}

// IsUnix says whether the address of a listener is a Unix socket's.
func IsUnix(address string) bool {
	return strings.HasPrefix(address, "/") || strings.HasPrefix(address, "@")
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
