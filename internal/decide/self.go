package decide

import "time"

// Self says when a master replaces itself because the bytes of its own program have changed. It is
// pure: Step returns what follows from an event.
type Self struct{ wait time.Duration }

// SelfEvent is something that has happened.
type SelfEvent string

// The events of a Self. There are no others.
const (
	SelfChanged  SelfEvent = "the program has changed"
	SelfRang     SelfEvent = "the wait is over"
	SelfReplaced SelfEvent = "another master has taken over"
	SelfSame     SelfEvent = "none does: the program is the running one, or has been refused"
	SelfRefused  SelfEvent = "none does, and the program is another one, or cannot be read"
)

// SelfNext is what to do.
type SelfNext struct {
	Replace bool          // replace the master now
	Later   time.Duration // try again after this time, unless the program changes before; 0: do not
}

// Step returns what follows from an event. A replacement that failed for a reason other than the
// program, such as a shortage, is due again after a while.
func (s *Self) Step(e SelfEvent) SelfNext {
	switch e {
	case SelfChanged:
		s.wait = 0
		return SelfNext{Replace: true}
	case SelfRang:
		return SelfNext{Replace: true}
	case SelfReplaced, SelfSame:
		return SelfNext{}
	case SelfRefused:
		s.wait = NextWait(s.wait)
		return SelfNext{Later: s.wait}
	}
	panic("internal error: decide: an event that a Self does not know")
}

// First is what is known before a reload.
type First struct {
	Replaceable bool // a successor could take over
	Unknown     bool // it is not known whether relevo itself has changed
	Changed     bool // relevo itself has changed
}

// Upgrades says whether to replace relevo itself before a reload, and whether to warn that it is
// not known if relevo has changed. The reload continues in any case.
func (f First) Upgrades() (upgrades, warns bool) {
	return f.Replaceable && f.Changed && !f.Unknown, f.Replaceable && f.Unknown
}
