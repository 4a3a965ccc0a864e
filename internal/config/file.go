package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"relevo/internal/safefile"
)

// DefaultFile is read from the working directory if no other file is named.
const DefaultFile = "relevo.toml"

// File is a configuration file that was read. Resolve returns the errors in it, together with
// contradictions between its settings.
type File struct {
	path    string // as given, for errors
	dir     string // absolute; the file's relative paths count from it
	entries []entry
	errs    []error
	more    bool // there are more errors than are reported

	selection Selection
}

// Load reads a file. A relative path counts from the directory from, which is
// absolute. The error is a *FileError: that the file cannot be read.
func Load(path, from string) (*File, error) {
	absolute := path
	if !filepath.IsAbs(path) {
		absolute = filepath.Join(from, path)
	}
	data, err := readFile(absolute)
	if err != nil {
		return nil, &FileError{Path: path, Err: err}
	}
	return parse(path, filepath.Dir(absolute), data), nil
}

func readFile(path string) ([]byte, error) {
	data, err := safefile.Read(path, maxFile)
	var large *safefile.TooLargeError
	switch {
	case err == nil:
		if data, err = decode(data); err != nil {
			return nil, fmt.Errorf("cannot read the configuration: %w", err)
		}
		return data, nil
	case errors.As(err, &large):
		return nil, fmt.Errorf("cannot read the configuration: it has more than %s; is it the right file?", SizeText(maxFile))
	case errors.Is(err, safefile.ErrNotRegular):
		return nil, fmt.Errorf("cannot read the configuration: %w, and each reload reads it again; write it to a file", err)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("cannot read the configuration: %w; create it, or choose another with --config", err)
	}
	return nil, fmt.Errorf("cannot read the configuration: %w; correct its path", err)
}

func parse(path, dir string, data []byte) *File {
	f := &File{path: path, dir: dir}
	f.entries = readDocument(data, f.report)
	return f
}

func (f *File) report(at Position, err error) {
	if len(f.errs) < maxErrors {
		f.errs = append(f.errs, f.wrong(at, err))
	} else if !f.more {
		f.more, f.errs = true, append(f.errs, f.wrong(at, errMore))
	}
}

// maxErrors is how many errors of a file are reported.
const maxErrors = 100

var errMore = fmt.Errorf("cannot tell all that is wrong: correct the first %d errors and check again", maxErrors)

func (f *File) wrong(at Position, err error) error {
	return &FileError{Path: f.path, Position: at, Err: err}
}

// Path returns the file's path as it was given.
func (f *File) Path() string { return f.path }

// Absolute is the file's absolute path.
func (f *File) Absolute() string { return filepath.Join(f.dir, filepath.Base(f.path)) }

// Name is the app's name as the file gives it, empty if it does not.
func (f *File) Name() string {
	for _, e := range f.entries {
		if e.key() == "name" && e.value.form == formString {
			return e.value.text
		}
	}
	return ""
}

// Err returns the error because of which the file could not be read to its end.
func (f *File) Err() error { return join(f.errs) }

// Sets says whether the file has a key.
func (f *File) Sets(key string) bool {
	for _, e := range f.entries {
		if !e.header && e.key() == key {
			return true
		}
	}
	return false
}
