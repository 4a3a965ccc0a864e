// Package logfile keeps the output of one app in files of a directory, and reads it.
//
// A directory holds 000001.log, 000002.log and so on. Lines are written to the highest
// number; current.log is a symbolic link to it, for people. Files are never renamed, so a
// rotation only creates the next number: there is no half-done state in which a master may
// die, and a reader at the end of a file knows which file comes next. An old file is
// replaced by its compressed copy (000001.log.gz) under the same number. If there are more
// than Limits.Keep old files, the oldest are removed.
//
// Each line of the output is one line of a file:
//
//	2026-11-26T09:16:39.123456Z 0 g3 12345 out GET / 200
//	time (UTC)                  slot  pid   stream
//	                              generation    text
//
// In lines of the master itself the slot is "-" and the stream is "log". A "+" after the
// stream says that the next line of the same pid and stream continues the text, because it
// is longer than maxPiece; a "-" says that the beginning may be missing, because a master
// was killed before it had written it.
//
// Why not JSON lines: people read these files with less and grep, and many programs
// print JSON, whose quotes would all be escaped. The prefix costs 46 bytes a line;
// {"time":…,"line":…} costs 99 and one more for each quote. The prefix needs no encoder,
// and the text stays as the program wrote it, byte by byte. In exchange, a program that
// reads the files has to cut off five words; relevo logs --json does.
package logfile
