// Package succession lets one master follow another without a worker noticing. A master
// leaves a legacy, which is a Document and files; it comes to the next one by one of four
// ways.
//
//	previous master                                     next master
//
//	Replace
//	 │ Estate.Settle    nothing is half prepared
//	 │ Estate.Freeze    the pool stops acting
//	 │ Estate.Bequeath  Document and files
//	 │                   ├─ tableflip ── a new process ──► Arrive ─► Arrival.Left, .In
//	 │                   ├─ exec ─────── this process ───► Arrive
//	 │                   ├─ asked ────── a process that systemd has started ──► Arrive, Succeed
//	 │                   └─ store ────── systemd, if this master dies ──► Arrive
//	 │
//	 ├─ it fails ─► Estate.Thaw: this master keeps running
//	 └─ it takes over ─► Introduce, HandOver, Leave: what signals asked for meanwhile
//	                  (Owed, AskStop) is passed on
//
// Signals that are on their way while a process becomes another program are waited for
// (Hearing.Settle). Package upgrader moves the files.
package succession
