//go:build !linux

package listeners

// dropNew needs Linux's socket filters; elsewhere a retiring listener keeps
// accepting clients until it is parked.
func dropNew(*Listener) error { return nil }

func dropNone(*Listener) error { return nil }

func (l *Listener) divert() error { return nil }

func (l *Listener) admitDiverted() error { return nil }
