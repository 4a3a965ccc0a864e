// Package imports turns the files by which other programs start apps into relevo.toml: PM2's
// ecosystem files, Procfiles. Every key of such a file is carried over, replaced, or left out
// with the reason as a comment.
//
// Read makes a Document of the bytes of a file, Document.TOML its text. Both are pure.
// Evaluate alone runs something: Node, for ecosystem files that are programs.
package imports
