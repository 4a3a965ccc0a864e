package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// badRecords is how many records of bad releases are kept without their copies, so that a
// release that has failed is recognized when it comes again.
const badRecords = 50

// Collect removes unused copies. A copy is unused if no master uses it. As many as Keep says
// stay: good ones first, then unjudged ones, the last used before the others. The good one
// that was used last always stays.
func (s *Store) Collect() error {
	_, err := s.collect(func([]Record) int { return int(s.keep.Load()) })
	return err
}

// Pruned is what Prune has removed.
type Pruned struct {
	Copies int   `json:"copies"`
	Bytes  int64 `json:"bytes"` // the size of the copies; less is freed if other files share their blocks
}

// Prune removes all unused copies except one, whatever Keep says: the good one that was
// used last stays, because a rollback would need it.
func (s *Store) Prune() (Pruned, error) {
	return s.collect(func(free []Record) int {
		if slices.ContainsFunc(free, func(r Record) bool { return r.Kept && r.Verdict == Good }) {
			return 1
		}
		return 0
	})
}

func (s *Store) collect(keep func(free []Record) int) (removed Pruned, err error) {
	unlock, err := s.lock()
	if errors.Is(err, os.ErrNotExist) {
		return removed, nil
	}
	if err != nil {
		return removed, err
	}
	defer unlock()
	all := s.List()
	var free []Record
	for _, r := range all {
		dir, err := os.Open(s.entry(r.SHA256))
		if err != nil {
			continue
		}
		defer unlockAndClose(dir)
		if flock(dir, unix.LOCK_EX|unix.LOCK_NB) == nil {
			free = append(free, r)
		}
	}
	var failed error
	doomed, forgotten := surplus(all, free, keep(free))
	for _, r := range doomed {
		removed.count(s.path(r))
		failed = errors.Join(failed, s.removeCopies(r))
	}
	for _, r := range forgotten {
		removed.count(s.path(r))
		failed = errors.Join(failed, os.RemoveAll(s.entry(r.SHA256)))
	}
	if failed != nil {
		return removed, fmt.Errorf("cannot remove old releases: %w", failed)
	}
	return removed, nil
}

// count adds a copy that is about to be removed.
func (p *Pruned) count(path string) {
	var stat unix.Stat_t
	if unix.Lstat(path, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return
	}
	p.Copies++
	if stat.Nlink == 1 {
		p.Bytes += stat.Blocks * 512
	}
}

// surplus chooses from free, the unused entries, those whose copies are removed (doomed)
// and those whose records are removed as well (forgotten). Both arguments are sorted by
// last use, the newest first.
func surplus(all, free []Record, keep int) (doomed, forgotten []Record) {
	lastGood := ""
	if i := slices.IndexFunc(all, func(r Record) bool { return r.Kept && r.Verdict == Good }); i >= 0 {
		lastGood = all[i].SHA256
	}
	wanted := slices.Clone(free)
	slices.SortStableFunc(wanted, func(a, b Record) int { return worth(b) - worth(a) })
	kept := 0
	for _, r := range wanted {
		if r.Kept && (kept < keep || r.SHA256 == lastGood) {
			kept++
			continue
		}
		if r.Verdict == Bad && rank(all, r) < badRecords {
			if r.Kept {
				doomed = append(doomed, r)
			}
			continue
		}
		forgotten = append(forgotten, r)
	}
	return doomed, forgotten
}

func worth(r Record) int {
	switch r.Verdict {
	case Good:
		return 2
	case Unjudged:
		return 1
	}
	return 0
}

// rank returns how many bad releases were judged after this one.
func rank(all []Record, r Record) (n int) {
	for _, other := range all {
		if other.Verdict == Bad && other.Judged.After(r.Judged) {
			n++
		}
	}
	return n
}

// removeCopies removes everything but the record of an entry.
func (s *Store) removeCopies(r Record) (failed error) {
	files, err := os.ReadDir(s.entry(r.SHA256))
	if err != nil {
		return err
	}
	for _, file := range files {
		if file.Name() != recordName {
			failed = errors.Join(failed, os.Remove(filepath.Join(s.entry(r.SHA256), file.Name())))
		}
	}
	return failed
}
