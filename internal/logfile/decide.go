package logfile

import (
	"bytes"
	"time"
)

// Limits bound the files of an app. Fields that are 0 have their defaults.
type Limits struct {
	MaxSize int64         // of one file; at least MinSize
	MaxAge  time.Duration // of a file's first line, before the next file begins; negative: no limit
	Keep    int           // number of old files; negative: none
}

// Defaults and minimum.
const (
	DefaultMaxSize = 32 << 20
	DefaultMaxAge  = 24 * time.Hour
	DefaultKeep    = 10
	MinSize        = 64 << 10
)

// set fills in the defaults.
func (l Limits) set() Limits {
	if l.MaxSize == 0 {
		l.MaxSize = DefaultMaxSize
	}
	if l.MaxAge == 0 {
		l.MaxAge = DefaultMaxAge
	}
	if l.Keep == 0 {
		l.Keep = DefaultKeep
	}
	l.MaxSize, l.Keep = max(l.MaxSize, MinSize), max(l.Keep, 0)
	return l
}

// fitting lowers the limits for a file system of disk bytes: when the disk gets full, the oldest
// file is removed, so files must be small in comparison with the disk.
func (l Limits) fitting(disk int64) Limits {
	if disk > 0 {
		l.MaxSize = max(MinSize, min(l.MaxSize, disk/16))
	}
	return l
}

// next says how many bytes of lines still go to a file that has size bytes and whose first line is
// from begun; 0: all go to the next file. It never cuts a line, and returns at least one.
func (l Limits) next(size int64, begun, now time.Time, lines []byte) int {
	if size > 0 && l.MaxAge > 0 && now.Sub(begun) >= l.MaxAge {
		return 0
	}
	room := l.MaxSize - size
	if int64(len(lines)) <= room {
		return len(lines)
	}
	if fits := bytes.LastIndexByte(lines[:max(room, 0)], '\n') + 1; fits > 0 || size > 0 {
		return fits
	}
	return bytes.IndexByte(lines, '\n') + 1
}

// surplus returns the files to remove, the oldest first. The last file, which is written to, stays,
// and of the others the newest keep.
func (l Limits) surplus(files []File) []File {
	return files[:max(0, len(files)-1-l.Keep)]
}

// fragment splits lines of which n bytes were written: owed ends the line that was begun, rest
// follows it.
func fragment(lines []byte, n int) (owed, rest []byte) {
	if n == 0 || lines[n-1] == '\n' {
		return nil, lines[n:]
	}
	end := n + bytes.IndexByte(lines[n:], '\n') + 1
	return lines[n:end], lines[end:]
}
