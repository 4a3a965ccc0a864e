package upgrader

// AwaitLooker waits until nobody looks at the listeners any more.
func AwaitLooker(u *Upgrader) { u.looker.gone.Wait() }
