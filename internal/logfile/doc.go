// Package logfile keeps the output of one app in files of a directory, and reads it.
//
// A directory holds 000001.log, 000002.log and so on. The highest number is written to;
// current.log is a symbolic link to it, for people. Files never change their names, so a
// rotation is nothing but the creation of the next number: it has no half-done state in
// which a master may die, and a reader that is at the end of a file knows which one comes
// next. An old file is replaced by its compressed copy (000001.log.gz) under the same
// number. The oldest are removed where there are more than Limits.Keep.
//
// Each line of the output is one line of a file:
//
//	2026-11-26T09:16:39.123456Z 0 g3 12345 out GET / 200
//	time (UTC)                  slot  pid   stream
//	                              generation    text
//
// The slot is "-" in lines of the master's own, whose stream is "log". After the stream "+"
// says that the text goes on in the next line of the same pid and stream, because it is
// longer than maxPiece; "-" says that its beginning may be missing, because a master was
// killed while it held it.
//
// Why not JSON lines: a person reads these files with less and grep, and many programs
// print JSON, whose quotes would all be escaped. The prefix costs 46 bytes a line, where
// {"time":…,"line":…} costs 99 and one more for each quote; it costs no encoder, and
// the text stays what the program wrote, byte by byte. The price is that a program which
// reads the files has to cut off five words; relevo logs --json does.
package logfile
