package upgrader

// EndPathWatch stops u from restoring paths, as the end of its process does.
func EndPathWatch(u *Upgrader) {
	u.mu.Lock()
	watch := u.paths
	u.paths = nil
	u.mu.Unlock()
	watch.close()
}
