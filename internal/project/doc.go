// Package project tells what stands in a directory: which kind of app, and what runs it. It reads
// names and texts of files, and runs nothing.
package project
