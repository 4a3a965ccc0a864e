package upgrader

// AwaitLooker waits until nobody looks at the listeners any more.
func AwaitLooker(u *Upgrader) { u.looker.gone.Wait() }

// Locked does something while u can do nothing.
func Locked(u *Upgrader, do func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	do()
}
