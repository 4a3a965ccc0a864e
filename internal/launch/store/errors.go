package store

import (
	"errors"
	"fmt"

	"relevo/internal/diskspace"
)

// FullError says that there is no space for a copy.
type FullError = diskspace.FullError

// WriteError says that the store cannot be written to for another reason: it is read-only,
// belongs to another user, a file is in its place, or programs may not be run there.
type WriteError struct {
	Dir string // of the store
	Err error
}

func (e *WriteError) Error() string { return fmt.Sprintf("cannot write to %s: %v", e.Dir, e.Err) }
func (e *WriteError) Unwrap() error { return e.Err }

// writeError makes a *FullError or a *WriteError of an error that writing has caused.
func writeError(dir string, err error) error {
	if full := new(FullError); errors.As(diskspace.Explain(dir, err), &full) {
		return full
	}
	return &WriteError{Dir: dir, Err: err}
}

// Bytes writes a size as "8.1 MiB".
func Bytes(n int64) string { return diskspace.Bytes(n) }
