// Package decide holds what a master decides about releases and about its own successor. It is
// pure: each decision is a function of what it is shown, and its tests are tables.
//
//	a start        the last good release in its place ──► FailedStart.FallsBack, Known.Refused
//	a roll's end   what it has shown of releases   ──► Rolled.Verdicts
//	               whether it is tried again       ──► Rolled.Again, NextWait
//	a rollback     where it goes                   ──► RollbackTo
//	an upgrade     how                             ──► ReplaceInPlace
package decide
