package watch

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// writers says what is known about processes that have a file open for writing.
type writers int

const (
	noWriters writers = iota
	someWriters
	unknownWriters
)

// errUnfinished says that the file is being written, or was while it was read.
var errUnfinished = errors.New("it is still being written")

// unfit returns why the file that r found cannot be run yet, nil if it can.
func unfit(r resolution, script bool) error {
	switch {
	case r.err != nil:
		return r.err
	case !r.mode.IsRegular():
		return fmt.Errorf("%s is not a regular file", r.file)
	case r.id.size == 0:
		return fmt.Errorf("%s is empty", r.file)
	case !script && !isExecutable(r.mode):
		return fmt.Errorf("%s is not executable", r.file)
	}
	return nil
}

// open opens the file that r found, and checks that it is the same one. O_NONBLOCK, because a
// fifo may have taken its place, and would block.
func open(r resolution) (*os.File, error) {
	f, err := os.OpenFile(r.file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.EAGAIN) {
		return nil, errUnfinished // another process holds a write lease
	}
	if err != nil {
		return nil, err
	}
	if err := unchanged(f, r.id); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// unchanged returns errUnfinished if f is no longer what id says.
func unchanged(f *os.File, id identity) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if !fi.Mode().IsRegular() || identityOf(fi) != id {
		return errUnfinished
	}
	return nil
}

// sum returns the sha256 of the bytes of f, in hex, if f still has this identity after all
// bytes are read.
func (o Options) sum(ctx context.Context, f *os.File, id identity) (string, error) {
	if o.SumOf != nil {
		if s, known := o.SumOf(f); known {
			return s, unchanged(f, id)
		}
	}
	h := sha256.New()
	if _, err := io.Copy(h, &interruptible{ctx, io.NewSectionReader(f, 0, id.size)}); err != nil {
		return "", err
	}
	if err := unchanged(f, id); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// interruptible is a reader that fails when its context has ended.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}

// truncated says whether r is an ELF file that is shorter than its own tables say, and so is
// the beginning of a copy.
func truncated(r io.ReaderAt, size int64) bool {
	magic := make([]byte, len(elf.ELFMAG))
	if _, err := r.ReadAt(magic, 0); err != nil || string(magic) != elf.ELFMAG {
		return false
	}
	f, err := elf.NewFile(r)
	if err != nil {
		return true
	}
	for _, p := range f.Progs {
		if p.Type != elf.PT_NULL && p.Off+p.Filesz > uint64(size) {
			return true
		}
	}
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOBITS && s.Offset+s.FileSize > uint64(size) {
			return true
		}
	}
	return false
}
