package upgrader

// TakenWithin is how long to wait for a signal that no thread has taken.
const TakenWithin = takenWithin

// Discarded is how many packets the sockets of a listener have discarded.
func Discarded(l *Listener) int {
	_, n := l.queueing()
	return n
}
