//go:build !linux

package upgrader

// Dropped is not known here.
func (u *Upgrader) Dropped() (n int, ok bool) { return 0, false }

func droppedAt(*Listener) (n int, ok bool) { return 0, false }
