package watch

import (
	"io/fs"
	"time"
)

// identity tells two states of a file apart without reading it. Equal identities mean equal
// bytes, unless the file was written to twice within one step of the file system's clock;
// see settled. Different identities mean nothing: touch, or a build without changes, change
// the times.
type identity struct {
	node
	size         int64
	mtime, ctime int64 // nanoseconds since 1970
}

// node is an inode. Its number alone is no identity, because file systems reuse the number
// of a deleted file at once.
type node struct {
	dev, ino uint64
}

// clockTick is longer than a step of the clock from which file systems take their times (a
// timer tick of the kernel, 1 to 10 ms).
const clockTick = 50 * time.Millisecond

// settled says whether the last change is so old that a change after now gets another ctime.
// Before that, equal identities prove nothing.
func (id identity) settled(now time.Time) bool {
	return now.Sub(time.Unix(0, id.ctime)) > clockTick
}

func isExecutable(m fs.FileMode) bool { return m.Perm()&0o111 != 0 }
