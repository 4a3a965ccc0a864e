package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"relevo/internal/safefile"
)

// hashes remembers what executables were hashed to, for all masters of a machine: many apps may run
// one file. Its directory is one that is empty after a boot, because devices have other numbers
// then. The zero value remembers nothing.
type hashes struct{ dir string }

// hashPlaces bounds the number of files. A hash takes the place of another whose file has a number
// that falls together with its own.
const hashPlaces = 64

func (h hashes) path(id Identity) string {
	return filepath.Join(h.dir, strconv.FormatUint((id.dev+id.ino)%hashPlaces, 10))
}

// line is what is written before the hash.
func (id Identity) line() string {
	return fmt.Sprintf("%d %d %d %d %d ", id.dev, id.ino, id.size, id.mtime.UnixNano(), id.ctime.UnixNano())
}

// find returns the hash of a file that has been read before. The hash of a fresh file is not known.
func (h hashes) find(file *os.File) (sum string, known bool) {
	seal, err := Note(file)
	if h.dir == "" || err != nil || seal.fresh || safefile.CheckDir(h.dir) != nil {
		return "", false
	}
	text, err := safefile.ReadOwn(h.path(seal.noted), 1<<10)
	if err != nil {
		return "", false
	}
	sum, same := strings.CutPrefix(string(text), seal.noted.line())
	return sum, same && len(sum) == 2*sha256.Size
}

// remember keeps the hash of a file that was noted before it was read. Where that fails, the file is
// read again next time.
func (h hashes) remember(noted *Seal, file *os.File, sum string) {
	if h.dir == "" || noted.fresh || !noted.Intact(file) || safefile.CheckDir(h.dir) != nil {
		return
	}
	if safefile.MkdirAll(h.dir, storeMode, 0o700) != nil {
		return
	}
	temp, err := os.CreateTemp(h.dir, ".hash-*") // mode 0600
	if err != nil {
		return
	}
	defer os.Remove(temp.Name())
	_, err = temp.WriteString(noted.noted.line() + sum)
	if errors.Join(err, temp.Close()) == nil {
		os.Rename(temp.Name(), h.path(noted.noted))
	}
}
