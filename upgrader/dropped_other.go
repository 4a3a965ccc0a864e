//go:build !linux

package upgrader

// Dropped is not known here.
func (u *Upgrader) Dropped() (n int, ok bool) { return 0, false }

func droppedAt(*Listener) (n int, ok bool) { return 0, false }

func datagrams(*Listener) (waiting, dropped int) { return 0, 0 }

func waitingLocally(*Listener) int { return 0 }
