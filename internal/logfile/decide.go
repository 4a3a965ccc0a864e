package logfile

import (
	"bytes"
	"time"
)

// Limits bound the files of an app. Fields that are 0 have the defaults.
type Limits struct {
	MaxSize int64         // of one file, at least MinSize
	MaxAge  time.Duration // of the first line of the file that is written to; negative: any
	Keep    int           // number of old files; negative: none
}

// The defaults, and the least.
const (
	DefaultMaxSize = 32 << 20
	DefaultMaxAge  = 24 * time.Hour
	DefaultKeep    = 10
	MinSize        = 64 << 10
)

// set has the defaults filled in.
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

// fitting are limits for a file system of so many bytes in all: where the disk gets full
// the oldest file is removed, and a file that is large beside the disk is all there is.
func (l Limits) fitting(disk int64) Limits {
	if disk > 0 {
		l.MaxSize = max(MinSize, min(l.MaxSize, disk/16))
	}
	return l
}

// next says how many bytes of lines go to a file that has size bytes and whose first line
// is from begun; 0: to the next file. The lines are whole, and at least one.
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

// surplus are the files to remove, the oldest first: of those before the last, which is
// written to, all but the newest keep.
func (l Limits) surplus(files []File) []File {
	return files[:max(0, len(files)-1-l.Keep)]
}

// fragment cuts lines of which n bytes were written into what is needed to end the line
// that was begun, and what comes after it.
func fragment(lines []byte, n int) (owed, rest []byte) {
	if n == 0 || lines[n-1] == '\n' {
		return nil, lines[n:]
	}
	end := n + bytes.IndexByte(lines[n:], '\n') + 1
	return lines[n:end], lines[end:]
}
