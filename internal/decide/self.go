package decide

import "time"

// Self says when a master replaces itself because the bytes of its own program have changed. It
// is pure: Step returns what follows from what has happened.
type Self struct{ wait time.Duration }

// SelfEvent is something that has happened.
type SelfEvent string

// The events of a Self. There are no others.
const (
	SelfChanged  SelfEvent = "the program has changed"
	SelfRang     SelfEvent = "the wait is over"
	SelfReplaced SelfEvent = "another master goes on"
	SelfSame     SelfEvent = "none does: the program is the running one, or has been refused"
	SelfRefused  SelfEvent = "none does, and the program is another one, or cannot be read"
)

// SelfNext is what follows.
type SelfNext struct {
	Replace bool          // now
	Later   time.Duration // it is tried again, unless the program changes before; 0: it is not
}

// Step returns what follows from an event. A replacement that failed for another reason than the
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
	Replaceable bool // another master could go on
	Unknown     bool // whether relevo itself has changed
	Changed     bool // it has
}

// Upgrades says whether relevo itself is replaced before a reload, and whether to warn that it is
// not known. A reload is not kept from an app because of that.
func (f First) Upgrades() (upgrades, warns bool) {
	return f.Replaceable && f.Changed && !f.Unknown, f.Replaceable && f.Unknown
}
