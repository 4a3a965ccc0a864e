package store

import (
	"errors"
	"fmt"

	"relevo/internal/diskspace"
)

// FullError: there is no room for a copy.
type FullError = diskspace.FullError

// WriteError: the store cannot be written to for another reason: it is read-only
// or somebody else's, a file is in its place, or programs may not be run there.
type WriteError struct {
	Dir string // the store's
	Err error
}

func (e *WriteError) Error() string { return fmt.Sprintf("cannot write to %s: %v", e.Dir, e.Err) }
func (e *WriteError) Unwrap() error { return e.Err }

// writeError sorts what went wrong while the store was written to.
func writeError(dir string, err error) error {
	if full := new(FullError); errors.As(diskspace.Explain(dir, err), &full) {
		return full
	}
	return &WriteError{Dir: dir, Err: err}
}

// Bytes renders a size: "8.1 MiB".
func Bytes(n int64) string { return diskspace.Bytes(n) }
