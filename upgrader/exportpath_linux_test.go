package upgrader

// EndPathWatch has u restore no path any more, as the end of its process does.
func EndPathWatch(u *Upgrader) {
	u.mu.Lock()
	watch := u.paths
	u.paths = nil
	u.mu.Unlock()
	watch.close()
}
