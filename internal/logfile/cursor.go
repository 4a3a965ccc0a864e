package logfile

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

// Cursor reads the lines of a directory in order, from file to file. At the end Next returns
// io.EOF, and later the lines that were written since.
type Cursor struct {
	dir    string
	number int       // of the current file; 0: none yet
	file   *os.File  // nil: none is open
	from   io.Reader // file, or its decompressed content
	packed bool
	buffer []byte // read but not returned yet
	line   int64  // offset of the buffer's beginning in a plain file
	missed int    // files that were removed before they were read
}

// NewCursor returns a Cursor at the beginning of the oldest file.
func NewCursor(dir string) *Cursor { return &Cursor{dir: dir} }

// Since returns a Cursor at the beginning of a file. No earlier file has a line of that time or
// later.
func Since(dir string, at time.Time) (*Cursor, error) {
	files, err := Files(dir)
	if err != nil {
		return nil, err
	}
	c := NewCursor(dir)
	for i := len(files) - 1; i >= 0; i-- {
		c.Close()
		if err := c.open(files[i]); err != nil {
			continue // it was removed meanwhile
		}
		first, ok := c.peek()
		if ok && first.Before(at) {
			break
		}
	}
	return c, nil
}

// peek returns the time of the first line of a file that was just opened.
func (c *Cursor) peek() (time.Time, bool) {
	for len(c.buffer) <= len(timeLayout) {
		if n, err := c.fill(); n == 0 && err != nil {
			break
		}
	}
	return timeOf(c.buffer)
}

// Close closes the open file.
func (c *Cursor) Close() {
	if c.file != nil {
		c.file.Close()
	}
	c.file, c.from, c.buffer = nil, nil, nil
}

// Missed returns how many files were removed, since its last call, before they were read.
func (c *Cursor) Missed() int {
	missed := c.missed
	c.missed = 0
	return missed
}

// Next returns the next line, or io.EOF if there is none yet.
func (c *Cursor) Next() (Record, error) {
	for {
		if end := bytes.IndexByte(c.buffer, '\n'); end >= 0 {
			r := parse(c.buffer[:end])
			c.buffer, c.line = c.buffer[end+1:], c.line+int64(end)+1
			return r, nil
		}
		if c.file == nil {
			if err := c.advance(); err != nil {
				return Record{}, err
			}
			continue
		}
		n, err := c.fill()
		if n > 0 {
			continue
		}
		if err != io.EOF && err != nil && !c.packed {
			return Record{}, fmt.Errorf("cannot read a log file: %w", err)
		}
		if err := c.finish(); err != nil {
			return Record{}, err
		}
	}
}

// fill reads more of the file.
func (c *Cursor) fill() (int, error) {
	const piece = 64 << 10
	if cap(c.buffer)-len(c.buffer) < piece/2 {
		c.buffer = append(make([]byte, 0, len(c.buffer)+piece), c.buffer...)
	}
	n, err := c.from.Read(c.buffer[len(c.buffer):cap(c.buffer)])
	c.buffer = c.buffer[:len(c.buffer)+n]
	return n, err
}

// finish is called at the end of a file. It leaves the file if the file is complete: the next one
// exists, and nothing was added in between.
func (c *Cursor) finish() error {
	if c.packed {
		return c.advance()
	}
	if err := c.goBack(); err != nil {
		return err
	}
	files, err := Files(c.dir)
	if err != nil {
		return err
	}
	if len(files) == 0 || files[len(files)-1].Number <= c.number {
		return io.EOF
	}
	if n, _ := c.fill(); n > 0 {
		return nil
	}
	return c.advance()
}

// goBack goes to the end of a file that is shorter than what was read of it: a new master has
// cut off the half line of a killed one.
func (c *Cursor) goBack() error {
	info, err := c.file.Stat()
	if err != nil || info.Size() >= c.line+int64(len(c.buffer)) {
		return nil
	}
	c.line = min(c.line, info.Size())
	c.buffer = nil
	if _, err := c.file.Seek(c.line, io.SeekStart); err != nil {
		return fmt.Errorf("cannot read a log file: %w", err)
	}
	return nil
}

// advance opens the next file. It returns io.EOF if there is none.
func (c *Cursor) advance() error {
	for {
		files, err := Files(c.dir)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(files, func(f File) bool { return f.Number > c.number })
		if at < 0 {
			return io.EOF
		}
		before := c.number
		c.Close()
		err = c.open(files[at])
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed or compressed since it was listed
		}
		if err == nil && before > 0 {
			c.missed += c.number - before - 1
		}
		return err
	}
}

// open begins to read a file.
func (c *Cursor) open(f File) error {
	file, err := os.Open(f.Path)
	if err != nil {
		return fmt.Errorf("cannot open a log file: %w", err)
	}
	c.file, c.from, c.packed, c.number, c.buffer, c.line = file, file, f.Packed, f.Number, nil, 0
	if f.Packed {
		z, err := gzip.NewReader(file)
		if err != nil {
			c.from = bytes.NewReader(nil) // damaged, and unreadable
			return nil
		}
		c.from = z
	}
	return nil
}
