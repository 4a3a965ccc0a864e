// Package decide holds what a master decides about releases and about its own successor, and in
// which order it does what there is to do. It is pure: each decision is a function of what it is
// shown, and its tests are tables; those of the Agenda are scenario files.
//
//	a start        the last good release in its place ──► FailedStart.FallsBack, Known.Refused
//	a roll         what becomes of what was prepared  ──► Prepared.Next
//	               whether new bytes are rolled to    ──► Bytes.Roll
//	a roll's end   what it has shown of releases      ──► Rolled.Verdicts
//	               whether it is tried again          ──► Rolled.Again, NextWait
//	a rollback     where it goes                      ──► RollbackTo
//	an upgrade     how                                ──► ReplaceInPlace
//	all that comes what is next, and what waits       ──► Agenda.Step
package decide
