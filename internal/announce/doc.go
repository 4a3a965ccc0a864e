// Package announce says what happens in an app: in the log, and in what relevo status and
// systemctl status show. It decides nothing and changes nothing.
//
//	events of the pool ──► Announcer.Follow ──► one line of the log each (words.go)
//	                              │         ├─► Warnings: a shortage, until a worker gets ready
//	                              │         └─► Damages: which workers came and went
//	                              └──────────► react: what the master does about it
//
//	the parts of a master ─────► Warnings.Set ──► relevo status, and the next master
//	damaged listeners ─────────► Healings.Due ──► Damages.Warn
//
// Once and Healings limit what would be repeated without end, and the losses of a second are
// one line.
package announce
