package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/safefile"
)

// disk is the file that is written to. Only one goroutine uses it.
type disk struct {
	dir    string
	wanted Limits
	limits Limits // possibly lowered for a small file system
	write  func(*os.File, []byte) (int, error)
	pack   func() // called when there is an old file to compress

	file   *os.File // nil: none is open
	number int
	begun  time.Time // time of the first line
	owed   []byte    // the rest of a line whose beginning is in the file
}

// put writes whole lines. It returns those that it could not write, with the reason.
func (d *disk) put(lines []byte, now time.Time) (left []byte, err error) {
	for len(lines) > 0 || len(d.owed) > 0 {
		size, err := d.ready(now)
		if err != nil {
			if d.makeRoom(err) {
				continue
			}
			return lines, err
		}
		if len(d.owed) > 0 {
			n, err := d.write(d.file, d.owed)
			if d.owed = d.owed[n:]; err != nil && !d.makeRoom(err) {
				return lines, err
			}
			continue
		}
		n := d.limits.next(size, d.begun, now, lines)
		if n == 0 {
			if err := d.rotate(); err != nil && !d.makeRoom(err) {
				return lines, err
			}
			continue
		}
		if size == 0 {
			d.begun = now
		}
		written, err := d.write(d.file, lines[:n])
		owed, rest := fragment(lines, written)
		d.owed, lines = bytes.Clone(owed), rest
		if err != nil && !d.makeRoom(err) {
			return lines, err
		}
	}
	return nil, nil
}

// ready opens the newest file, unless it is open, and returns its size. Another process may have
// begun a newer file (the next master, relevo flush) or removed this one.
func (d *disk) ready(now time.Time) (size int64, err error) {
	if d.file != nil {
		var stat unix.Stat_t
		err := unix.Fstat(int(d.file.Fd()), &stat)
		_, next := os.Lstat(plainPath(d.dir, d.number+1))
		if err == nil && stat.Nlink > 0 && next != nil {
			return stat.Size, nil
		}
		d.close()
	}
	return d.open(now)
}

// MakeDir makes a directory for log files. An app that has one writes them.
func MakeDir(dir string) error {
	if err := safefile.MkdirAll(dir, parentMode, dirMode); err != nil {
		return fmt.Errorf("cannot make the directory of the log files: %w", err)
	}
	return nil
}

// open opens the newest file. It removes a half line that a killed master has left.
func (d *disk) open(now time.Time) (size int64, err error) {
	if err := MakeDir(d.dir); err != nil {
		return 0, err
	}
	d.dropParts()
	files, err := Files(d.dir)
	if err != nil {
		return 0, err
	}
	d.number = 1
	if len(files) > 0 {
		last := files[len(files)-1]
		if d.number = last.Number; last.Packed {
			d.number++
		}
	}
	if err := d.openAt(d.number); err != nil {
		return 0, err
	}
	size, d.begun, err = mend(d.file, now)
	return size, err
}

// openAt opens or creates the file of a number.
func (d *disk) openAt(number int) error {
	file, err := os.OpenFile(plainPath(d.dir, number), os.O_CREATE|os.O_RDWR|os.O_APPEND|unix.O_NOFOLLOW, fileMode)
	if err != nil {
		return fmt.Errorf("cannot open a log file: %w", err)
	}
	d.close()
	d.file, d.number = file, number
	var fs unix.Statfs_t
	d.limits = d.wanted
	if unix.Fstatfs(int(file.Fd()), &fs) == nil {
		d.limits = d.wanted.fitting(int64(fs.Blocks) * int64(fs.Bsize))
	}
	pointTo(d.dir, number)
	d.trim()
	d.pack()
	return nil
}

// mend cuts off a half line at the end of a file, which a killed writer leaves. It returns the
// file's size and the time of its first line.
func mend(file *os.File, now time.Time) (size int64, begun time.Time, err error) {
	info, err := file.Stat()
	if err != nil {
		return 0, now, fmt.Errorf("cannot look at a log file: %w", err)
	}
	if size = info.Size(); size == 0 {
		return 0, now, nil
	}
	first := make([]byte, len(timeLayout)+1)
	n, _ := file.ReadAt(first, 0)
	begun, ok := timeOf(first[:n])
	if !ok {
		begun = info.ModTime()
	}
	end := make([]byte, min(size, maxPiece+maxPrefix))
	if _, err := file.ReadAt(end, size-int64(len(end))); err != nil && err != io.EOF {
		return size, begun, fmt.Errorf("cannot read a log file: %w", err)
	}
	if whole := bytes.LastIndexByte(end, '\n') + 1; whole < len(end) {
		size -= int64(len(end) - whole)
		if err := file.Truncate(size); err != nil {
			return size, begun, fmt.Errorf("cannot cut the half line off a log file: %w", err)
		}
	}
	return size, begun, nil
}

// rotate begins the next file.
func (d *disk) rotate() error { return d.openAt(d.number + 1) }

// trim removes surplus files.
func (d *disk) trim() {
	if files, err := Files(d.dir); err == nil {
		for _, f := range d.limits.surplus(files) {
			remove(d.dir, f.Number)
		}
	}
}

// makeRoom removes the oldest file if an error says that the disk is full. It returns false if it
// cannot help.
func (d *disk) makeRoom(err error) bool {
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return false
	}
	d.dropParts()
	files, err := Files(d.dir)
	if err != nil || len(files) == 0 || files[0].Number >= d.number && d.file != nil {
		return false
	}
	return len(files) > 1 && remove(d.dir, files[0].Number) == nil
}

// dropParts removes unfinished compressed files.
func (d *disk) dropParts() {
	parts, _ := filepath.Glob(filepath.Join(d.dir, "*"+packedEnd+".*"+unfinish))
	for _, part := range parts {
		os.Remove(part)
	}
}

func (d *disk) close() {
	if d.file != nil {
		d.file.Close()
	}
	d.file, d.owed = nil, nil
}
