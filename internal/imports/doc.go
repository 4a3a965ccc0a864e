// Package imports turns files in which other programs configure apps into relevo.toml: PM2's
// ecosystem files, Procfiles, gunicorn's configuration, units of systemd, air's file; and command
// lines of einhorn, start_server and gunicorn. Every key of such a file is carried over,
// replaced, or left out with the reason as a comment.
//
// Read and ReadLine make a Document, Document.TOML its text. They are pure. Only Evaluate
// runs programs: Node or Python, for files that are programs themselves.
package imports
