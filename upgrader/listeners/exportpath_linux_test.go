package listeners

// EndPathWatch stops the set from restoring paths, as the end of its process does.
func EndPathWatch(set *Set) {
	set.mu.Lock()
	watch := set.paths
	set.paths = nil
	set.mu.Unlock()
	watch.close()
}
