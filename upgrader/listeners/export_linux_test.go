package listeners

// Discarded is how many packets the sockets of a listener have discarded.
func Discarded(l *Listener) int {
	_, n := l.queueing()
	return n
}
