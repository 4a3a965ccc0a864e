package watch

import (
	"hash/maphash"
	"io"
	"os"
	"syscall"
	"time"
)

// contents is what is known of the files of a tree.
type contents struct {
	seed  maphash.Seed
	files map[string]content
}

// content is what is known of one file. The hash only tells apart the states of one file, so
// it need not be cryptographic.
type content struct {
	id      identity
	hash    uint64
	settled bool // equal identities mean equal bytes
}

// largeFile is the size from which reading a file costs more than an unnecessary build. A
// larger file has changed if its size or times have.
const largeFile = 32 << 20

func newContents() *contents {
	return &contents{seed: maphash.MakeSeed(), files: map[string]content{}}
}

// look reads a file. It says whether its bytes differ from the known ones, and whether the
// file is new.
func (c *contents) look(path string) (changed, fresh bool) {
	info, err := os.Stat(path) // follows links, as programs do
	if err != nil || !info.Mode().IsRegular() {
		_, known := c.files[path]
		delete(c.files, path)
		return known, false
	}
	id := identityOf(info)
	old, known := c.files[path]
	if known && old.settled && old.id == id {
		return false, false
	}
	now := content{id: id, settled: id.settled(time.Now())}
	now.hash, err = c.sum(path, info.Size(), id)
	if err != nil {
		now.settled = false // so that it is read again
	}
	c.files[path] = now
	return known && old.hash != now.hash, !known
}

func (c *contents) sum(path string, size int64, id identity) (uint64, error) {
	if size > largeFile {
		return maphash.Comparable(c.seed, id), nil
	}
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe may have taken its place
	if err != nil {
		return 0, err
	}
	defer file.Close()
	var h maphash.Hash
	h.SetSeed(c.seed)
	if _, err := io.Copy(&h, file); err != nil {
		return 0, err
	}
	return h.Sum64(), nil
}

// same says, by a file's identity alone, whether it is unchanged.
func (c *contents) same(path string) bool {
	old, known := c.files[path]
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return !known
	}
	return known && old.settled && old.id == identityOf(info)
}
