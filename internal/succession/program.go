package succession

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"relevo/internal/launch"
	"relevo/internal/launch/store"
	"relevo/internal/safefile"
)

// settleOwnPath sets os.Args[0], from which a successor is started, to the path of the program's
// file. It keeps the path as it was given, so that a symbolic link that is changed leads to a newer
// program. If that path leads to another file, as a name without a directory may, it takes the file
// itself.
func settleOwnPath() {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	running, runningErr := os.Stat("/proc/self/exe")
	if named, statErr := os.Stat(path); err == nil && statErr == nil && runningErr == nil && os.SameFile(named, running) {
		os.Args[0] = path
		return
	}
	if path, err := os.Executable(); err == nil {
		os.Args[0] = path
	}
}

// Program is the path by which this program was started.
func Program() (string, error) {
	if _, err := os.Stat(os.Args[0]); err != nil {
		return "", fmt.Errorf("cannot find the program of relevo: %w", err)
	}
	return os.Args[0], nil
}

func hashOf(path string) (string, error) {
	file, err := safefile.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	seal, err := store.SealOf(file)
	if err != nil {
		return "", fmt.Errorf("cannot read %s: %w", path, err)
	}
	return seal.SHA256(), nil
}

// ProgramChanged says whether the path that this program was started from now holds another
// program, which has not yet failed to take over.
func (s *Succession) ProgramChanged() (bool, error) {
	if s.o.Arrival == nil {
		return false, nil // this master cannot be replaced
	}
	path, err := Program()
	if err == nil && s.isOwnFile(path) {
		return false, nil
	}
	var now string
	if err == nil {
		now, err = hashOf(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // perhaps half a deploy; a later reload finds it complete
	}
	if err != nil || s.isRefused(now) {
		return false, err
	}
	running, err := s.Running()
	return err == nil && now != running, err
}

// isOwnFile says whether the path holds the running file, and the hash of that is not known yet.
// Then there is nothing to compare: both hashes would be of the same file.
func (s *Succession) isOwnFile(path string) bool {
	s.summing.Lock()
	known := s.sum != ""
	s.summing.Unlock()
	running, err := os.Stat("/proc/self/exe")
	if known || err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(named, running)
}

// Running returns the sha256 of the running program. It is computed at the first call.
func (s *Succession) Running() (sum string, err error) {
	s.summing.Lock()
	defer s.summing.Unlock()
	if s.sum == "" {
		s.sum, err = hashOf("/proc/self/exe")
	}
	return s.sum, err
}

func (s *Succession) isRefused(sum string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.refused == sum
}

// refuse notes that the program at path could not take over, so that it is not tried again without
// being asked. After any other error it may be tried again.
func (s *Succession) refuse(path string, err error) {
	fault := newcomerError{}
	if !errors.As(err, &fault) {
		return
	}
	if sum, err := hashOf(path); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.now.refused = sum
	}
}

// newcomerError is an error of the new program: another attempt would fail, too.
type newcomerError struct{ error }

func (e newcomerError) Unwrap() error { return e.error }

// blame marks an error of a replacement as the new program's, unless the cause is a shortage of
// this master.
func blame(err error) error {
	if err == nil || launch.IsShortage(err) {
		return err
	}
	return newcomerError{err}
}
