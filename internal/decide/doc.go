// Package decide holds what a master decides about releases and about its successor, and in which
// order it does its work. It is pure: each decision is a function of its arguments, and its tests
// are tables; those of Agenda, Stage, Start and Self are scenario files.
//
//	a start        which release it takes             ──► Start.Step, FailedStart.FallsBack, Known.Refused
//	               how far it has come, and a stop    ──► Stage.Step
//	a roll         what becomes of what was prepared  ──► Prepared.Next
//	               whether new bytes are rolled to    ──► Bytes.Roll
//	a roll's end   what it has shown of releases      ──► Rolled.Verdicts
//	               whether it is tried again          ──► Rolled.Again, NextWait
//	a rollback     where it goes                      ──► RollbackTo
//	an upgrade     how                                ──► ReplaceInPlace
//	               before a reload                    ──► First.Upgrades
//	               when relevo itself changes         ──► Self.Step
//	all that comes what is next, and what waits       ──► Agenda.Step
package decide
