package apps

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"relevo/internal/diskspace"
	"relevo/internal/safefile"
)

// remember saves a definition. It returns a function that restores the previous one, with a
// note of the failure. A definition that is there already needs no room on the disk: a full
// disk keeps no app from its start.
func (p Places) remember(d Definition, text []byte) (undo func(failure error) error, err error) {
	_, missing := os.Lstat(p.AppState(d.Name))
	_, noLog := os.Lstat(p.LogDir(d.Name)) // otherwise relevo delete has left one, or relevo run
	former, _ := p.Load(d.Name)
	formerText, _ := os.ReadFile(p.WrittenFile(d.Name))
	d.Failure = ""
	known := former != nil && former.startsAs(d) && (text == nil || bytes.Equal(text, formerText))
	if !known || former.Failure != "" {
		err = p.save(d, text)
	}
	switch {
	case known:
		return func(failure error) error {
			if wasStopped(failure) {
				return nil
			}
			former.Failure = failure.Error()
			_ = p.save(*former, nil) // the definition itself is there
			return nil
		}, nil
	case err != nil && missing != nil:
		return nil, errors.Join(err, p.Purge(d.Name))
	case err != nil:
		return nil, err
	}
	return func(failure error) error {
		switch {
		case missing != nil:
			return p.Purge(d.Name)
		case former == nil && noLog == nil:
			return p.Forget(d.Name)
		case former == nil:
			return errors.Join(p.Forget(d.Name), os.RemoveAll(p.LogDir(d.Name)))
		}
		if !wasStopped(failure) {
			former.Failure = failure.Error()
		} else if now, err := p.Load(d.Name); now == nil && err == nil {
			return nil // it was deleted, and stays so
		}
		if text == nil {
			return p.save(*former, nil)
		}
		return p.save(*former, formerText)
	}, nil
}

// wasStopped says whether a user ended a start, which is no failure of the app.
func wasStopped(failure error) bool {
	failed := new(FailedError)
	return errors.As(failure, &failed) && failed.Stopped
}

// startsAs says whether both start the same app in the same way.
func (d Definition) startsAs(other Definition) bool {
	d.Failure, other.Failure = "", ""
	one, err := json.Marshal(d)
	another, otherErr := json.Marshal(other)
	return err == nil && otherErr == nil && bytes.Equal(one, another)
}

// save writes a definition. If text is not nil, it also writes the configuration file.
func (p Places) save(d Definition, text []byte) error {
	// 0711: workers of another user run the copies of releases in it. The files are their owner's alone.
	if err := safefile.MkdirAll(p.AppState(d.Name), 0o755, 0o711); err != nil {
		return fmt.Errorf("cannot keep how %s is started: %w; RELEVO_STATE_DIR chooses another place", d.Name, err)
	}
	document, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("internal error: %w", err)
	}
	files := []file{{p.definition(d.Name), append(document, '\n')}}
	if text != nil {
		files = append(files, file{p.WrittenFile(d.Name), text})
	}
	err = diskspace.Explain(p.State, replaceAll(files...))
	if full := new(diskspace.FullError); errors.As(err, &full) {
		return fmt.Errorf("cannot keep how %s is started: %w; free some, or set RELEVO_STATE_DIR to another disk",
			d.Name, err)
	}
	if err != nil {
		return fmt.Errorf("cannot keep how %s is started: %w", d.Name, err)
	}
	return nil
}

// file is what is to be written.
type file struct {
	path string
	text []byte
}

// replaceAll writes files that hold secrets, in one directory. If there is no room for all of
// them, none is changed.
func replaceAll(files ...file) (err error) {
	var written []string
	defer func() {
		for _, path := range written {
			os.Remove(path) // what was renamed is not there any more
		}
	}()
	for _, f := range files {
		path, err := writeBeside(f)
		if err != nil {
			return err
		}
		written = append(written, path)
	}
	for i, f := range files {
		err = errors.Join(err, os.Rename(written[i], f.path))
	}
	return err
}

// writeBeside writes a file under another name, to the disk.
func writeBeside(f file) (path string, err error) {
	beside, err := os.CreateTemp(filepath.Dir(f.path), ".new-*")
	if err != nil {
		return "", err
	}
	_, err = beside.Write(f.text)
	if err = errors.Join(err, beside.Sync(), beside.Close()); err != nil {
		os.Remove(beside.Name())
	}
	return beside.Name(), err
}
