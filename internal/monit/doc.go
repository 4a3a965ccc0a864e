// Package monit is the dashboard of relevo monit: all apps of this machine, the chosen one with
// its workers, generations, load, log and events.
//
//	Source.Look ─► Frame ─┐
//	keys, mouse ──────────┴─► Model.Update ─► Model.View ─► terminal
//	                             └─► Request ─► Source.Do
//
// A Model is a value: Update returns the next one, and View is a function of it. What waits or
// reads (a look, a request to a master) is a command, which runs beside both; Run wires them to
// a terminal, and gives the terminal back. The package feed is the Source that asks masters.
//
// Each text of a worker or a master goes through cell or clip, which leave no escape sequence
// in it.
package monit
