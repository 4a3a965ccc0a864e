package logfile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// File is one file of a directory.
type File struct {
	Number int
	Path   string
	Packed bool // compressed
}

const (
	plainEnd  = ".log"
	packedEnd = ".log.gz"
	unfinish  = ".part" // suffix of a compressed file that is not complete
	current   = "current.log"
)

func plainPath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%06d%s", number, plainEnd))
}

func packedPath(dir string, number int) string { return plainPath(dir, number) + ".gz" }

// Files lists the files of a directory, the oldest first. While a file is being compressed it may
// exist twice; it is listed once.
func Files(dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list the log files: %w", err)
	}
	byNumber := map[int]File{}
	for _, e := range entries {
		digits, packed := strings.CutSuffix(e.Name(), packedEnd)
		if !packed {
			digits = strings.TrimSuffix(e.Name(), plainEnd)
		}
		number, err := strconv.Atoi(digits)
		if err != nil || number <= 0 || digits == e.Name() || !e.Type().IsRegular() {
			continue
		}
		if known, twice := byNumber[number]; twice && !known.Packed {
			continue
		}
		byNumber[number] = File{number, filepath.Join(dir, e.Name()), packed}
	}
	addPassedOver(dir, byNumber)
	files := make([]File, 0, len(byNumber))
	for _, f := range byNumber {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Number, b.Number) })
	return files, nil
}

// maxPassedOver bounds how many missing numbers are looked up by name.
const maxPassedOver = 20_000

// addPassedOver adds files that a listing has missed: a file that is replaced by its compressed
// copy during the listing may appear under neither name. A look-up by name finds it, because the
// copy exists before the original is removed.
func addPassedOver(dir string, files map[int]File) {
	first, last := 0, 0
	for number := range files {
		last = max(last, number)
		if first == 0 || number < first {
			first = number
		}
	}
	for number := last - 1; number >= max(1, first-1, last-maxPassedOver); number-- {
		if _, known := files[number]; known {
			continue
		}
		for _, f := range []File{{number, plainPath(dir, number), false}, {number, packedPath(dir, number), true}} {
			if info, err := os.Lstat(f.Path); err == nil && info.Mode().IsRegular() {
				files[number], first = f, min(first, number)
				break
			}
		}
	}
}

// remove removes both forms of a file.
func remove(dir string, number int) error {
	var failed error
	for _, path := range []string{plainPath(dir, number), packedPath(dir, number)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = err
		}
	}
	return failed
}

// pointTo makes current.log point to a file. The link is only a convenience for people, so errors
// are ignored: some file systems have no links.
func pointTo(dir string, number int) {
	name := filepath.Base(plainPath(dir, number))
	path := filepath.Join(dir, current)
	if now, err := os.Readlink(path); err == nil && now == name {
		return
	}
	fresh := path + unfinish
	os.Remove(fresh)
	if os.Symlink(name, fresh) == nil {
		os.Rename(fresh, path)
	}
}

// Flush removes everything that was written. A master that writes to the directory continues in a
// new file.
func Flush(dir string) (removed int, err error) {
	files, err := Files(dir)
	if err != nil || len(files) == 0 {
		return 0, err
	}
	last := files[len(files)-1]
	for _, f := range files[:len(files)-1] { // removed first, because the disk may be full
		if err := remove(dir, f.Number); err != nil {
			return removed, fmt.Errorf("cannot remove a log file: %w", err)
		}
		removed++
	}
	next, err := os.OpenFile(plainPath(dir, last.Number+1), os.O_CREATE|os.O_WRONLY|os.O_APPEND, fileMode)
	if err != nil {
		return removed, fmt.Errorf("cannot begin a new log file: %w", err)
	}
	next.Close()
	pointTo(dir, last.Number+1)
	if err := remove(dir, last.Number); err != nil {
		return removed, fmt.Errorf("cannot remove a log file: %w", err)
	}
	return removed + 1, nil
}

// Other users must not read them: logs may hold secrets.
const (
	fileMode = 0o600
	dirMode  = 0o700

	// The directories above may be entered: workers of another user run the copies of releases there.
	parentMode = 0o711
)
