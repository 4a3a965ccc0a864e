package advice

import (
	"regexp"
	"slices"
	"strconv"
	"sync"
)

// wouldBlock matches the words for EAGAIN, the error of a non-blocking socket.
var wouldBlock = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)EAGAIN|EWOULDBLOCK|BlockingIOError|WouldBlock|WaitReadable|resource temporarily ` +
		`unavailable|(errno|os error) 11\b`)
})

// WouldBlock says whether a program complains about a non-blocking socket.
func WouldBlock(lines []string) bool { return slices.ContainsFunc(lines, wouldBlock().MatchString) }

// noListener matches the words for a descriptor that is closed, or is no socket. Node says
// EINVAL when it listens on such a descriptor.
var noListener = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)EBADF|bad file descriptor|ENOTSOCK|socket operation on non-socket|not a socket|` +
		`listen EINVAL|errno (9|88)\b|os error (9|88)\b`)
})

// NoListener says whether a program complains that a descriptor is no socket.
func NoListener(lines []string) bool { return slices.ContainsFunc(lines, noListener().MatchString) }

// The words for "address already in use", and the addresses near them. They are compiled at
// their first use: each worker starts with a start of relevo, which does not need them.
var (
	inUse = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)EADDRINUSE|AddrInUse|address (is )?already in use|errno 98\b|os error 98\b|\(98:|` +
			`port \d+ (is|was) (already )?in use|connection in use`)
	})
	addresses = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)\bport:? '?(\d{1,5})\b|[\w.\]*:\s]:(\d{1,5})\b|', (\d{1,5})\b`)
	})
)

// Taken says whether a program complains that an address is in use, and returns the ports
// that it names.
func Taken(lines []string) (ports []int, found bool) {
	const near = 4 // lines around the complaint
	for i, line := range lines {
		if !inUse().MatchString(line) {
			continue
		}
		found = true
		ports = append(ports, portsIn(line)...)
		for _, around := range lines[max(0, i-near):min(len(lines), i+near+1)] {
			ports = append(ports, portsIn(around)...)
		}
	}
	return ports, found
}

func portsIn(line string) (ports []int) {
	for _, match := range addresses().FindAllStringSubmatch(line, -1) {
		for _, text := range match[1:] {
			if port, err := strconv.Atoi(text); err == nil && port > 0 && port < 1<<16 {
				ports = append(ports, port)
			}
		}
	}
	return ports
}

// privileges matches the words of set-user-ID programs that run without root's privileges.
var privileges = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)no new privileges|must be setuid root|must be suid to work|must be owned by uid 0 ` +
		`and have the setuid bit|effective uid is not 0`)
})

// Unprivileged says whether a program complains that set-user-ID has given it no
// privileges.
func Unprivileged(lines []string) bool { return slices.ContainsFunc(lines, privileges().MatchString) }
