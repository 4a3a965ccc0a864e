package logfile

import (
	"bytes"
	"io"
	"os"
)

// Tail returns the last n wanted lines, the oldest first, and a Cursor after them.
func Tail(dir string, n int, wanted func(Record) bool) ([]Record, *Cursor, error) {
	files, err := Files(dir)
	if err != nil {
		return nil, nil, err
	}
	after := NewCursor(dir)
	var found []Record
	for i := len(files) - 1; i >= 0; i-- {
		c := NewCursor(dir)
		if c.open(files[i]) != nil {
			continue // it was removed meanwhile
		}
		got, end := c.last(n-len(found), wanted)
		if after.file == nil {
			after = c
			after.moveTo(end)
		} else {
			c.Close()
		}
		if found = append(got, found...); len(found) >= n {
			break
		}
	}
	return found, after, nil
}

// moveTo continues at an offset of a plain file, or at the end of a compressed one.
func (c *Cursor) moveTo(end int64) {
	c.buffer, c.line = nil, end
	if c.packed {
		c.from = bytes.NewReader(nil)
	} else {
		c.file.Seek(end, io.SeekStart)
	}
}

// last returns the last n wanted lines of a file, and the end of its last whole line. It reads a
// plain file from the end.
func (c *Cursor) last(n int, wanted func(Record) bool) (found []Record, end int64) {
	info, err := c.file.Stat()
	if err != nil || c.packed {
		return c.lastOfAll(n, wanted), 0
	}
	size := info.Size()
	for piece := int64(64 << 10); ; piece *= 8 {
		start := max(0, size-piece)
		if piece > 8<<20 {
			start = 0
		}
		text, whole := lines(c.file, start, size)
		if !whole {
			if start == 0 {
				return nil, 0
			}
			continue
		}
		end := size
		if cut := bytes.LastIndexByte(text, '\n') + 1; cut < len(text) {
			end, text = size-int64(len(text)-cut), text[:cut]
		}
		found = lastOf(text, n, wanted)
		if len(found) >= n || start == 0 {
			return found, end
		}
	}
}

// lines reads a part of a file, from the first line that begins in it. It returns false if none
// begins.
func lines(file *os.File, start, end int64) (text []byte, ok bool) {
	text = make([]byte, end-start)
	n, _ := file.ReadAt(text, start)
	text = text[:n]
	if start == 0 {
		return text, bytes.IndexByte(text, '\n') >= 0
	}
	_, text, ok = bytes.Cut(text, []byte("\n"))
	return text, ok
}

// lastOf returns the last n wanted lines of a text.
func lastOf(text []byte, n int, wanted func(Record) bool) (found []Record) {
	for len(text) > 0 && len(found) < n {
		begin := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
		if r := parse(text[begin : len(text)-1]); wanted(r) {
			found = append(found, r)
		}
		text = text[:begin]
	}
	for i, j := 0, len(found)-1; i < j; i, j = i+1, j-1 {
		found[i], found[j] = found[j], found[i]
	}
	return found
}

// lastOfAll reads a file from its beginning.
func (c *Cursor) lastOfAll(n int, wanted func(Record) bool) (found []Record) {
	newest := func() []Record { return found[max(0, len(found)-n):] }
	for {
		end := bytes.IndexByte(c.buffer, '\n')
		if end < 0 {
			if read, err := c.fill(); read == 0 && err != nil {
				return newest()
			}
			continue
		}
		if r := parse(c.buffer[:end]); wanted(r) {
			if found = append(found, r); len(found) > 2*n+1000 {
				found = append([]Record(nil), newest()...)
			}
		}
		c.buffer = c.buffer[end+1:]
	}
}
