package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"relevo/internal/phrase"
	"relevo/internal/safefile"
)

// Verdict says whether a release has worked.
type Verdict string

// The verdicts.
const (
	Unjudged Verdict = ""     // no roll to it has ended
	Good     Verdict = "good" // it served
	Bad      Verdict = "bad"  // a roll to it failed, or it was rolled back
)

// About is what is known of an executable when it is copied.
type About struct {
	Version     string `json:"version,omitempty"`      // if the bytes contain it
	Source      string `json:"source,omitempty"`       // path of the executable, as given
	Resolved    string `json:"resolved,omitempty"`     // the same, symbolic links resolved
	Dir         string `json:"dir,omitempty"`          // working directory, as given
	ResolvedDir string `json:"resolved_dir,omitempty"` // the same, symbolic links resolved
	Script      bool   `json:"script,omitempty"`       // begins with #!
	Interpreted bool   `json:"interpreted,omitempty"`  // a file that an argument of an interpreter names

	// If Interpreted, of the argument that names the file:
	Argument         string `json:"argument,omitempty"`          // as given
	ResolvedArgument string `json:"resolved_argument,omitempty"` // symbolic links resolved

	// Places are the directories that symbolic links led to. The same bytes in other
	// places are another release.
	Places []string `json:"places,omitempty"`

	// Marks show which version of a project a script belongs to: hashes of lock files,
	// and a revision. The same bytes with other marks are another release.
	Marks []string `json:"marks,omitempty"`
}

// NameOf returns the name of a release with these bytes.
func (a About) NameOf(sha256OfBytes string) string {
	return Name(sha256OfBytes, slices.Concat(a.Places, a.Marks))
}

// Name returns the hash that users know a release by: the hash of its bytes or, if it has
// places or marks, of bytes, places and marks.
func Name(sha256OfBytes string, more []string) string {
	if len(more) == 0 || sha256OfBytes == "" {
		return sha256OfBytes
	}
	sum := sha256.Sum256([]byte(sha256OfBytes + "\x00" + strings.Join(more, "\x00")))
	return hex.EncodeToString(sum[:])
}

// Judgement is a verdict and its reason.
type Judgement struct {
	Verdict     Verdict   `json:"verdict,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	Judged      time.Time `json:"judged,omitzero"`
	Fingerprint string    `json:"fingerprint,omitempty"` // of the configuration that it ran with
}

// Record is the content of an entry's release.json.
type Record struct {
	SHA256 string `json:"sha256"`          // names the release, see Name
	Bytes  string `json:"bytes,omitempty"` // hash of the copy's bytes, if it differs from SHA256
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	// Attributes are owner, mode and privileges of the copy when it was made.
	Attributes string `json:"attributes,omitempty"`
	About
	FirstUsed time.Time `json:"first_used,omitzero"`
	LastUsed  time.Time `json:"last_used,omitzero"`
	Judgement
	Kept bool `json:"-"` // there is a copy; a bad release may have only its record
}

// Directory returns the directory that is a part of the release, empty if there is none.
func (a About) Directory() string {
	if len(a.Places) == 0 {
		return ""
	}
	return a.Places[len(a.Places)-1]
}

// sum returns the hash of the copy's bytes.
func (r Record) sum() string {
	if r.Bytes != "" {
		return r.Bytes
	}
	return r.SHA256
}

const recordName = "release.json"

// copyName returns the file name of a program's copy in its entry.
func copyName(name string) string {
	if name == recordName || strings.HasPrefix(name, ".") {
		return "_" + name
	}
	return name
}

// read returns the record of an entry. If the record cannot be read, it makes one from the
// files of the entry.
func (s *Store) read(sha256 string) (Record, error) {
	if !isHash(sha256) {
		return Record{}, fmt.Errorf("cannot look for release %q: it is no sha256", sha256)
	}
	var r Record
	data, err := safefile.ReadOwn(filepath.Join(s.entry(sha256), recordName), maxRecord)
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	r.SHA256 = sha256
	if err != nil || !r.plausible() {
		r = Record{SHA256: sha256}
		if err := s.guess(&r); err != nil {
			return r, err
		}
	}
	info, err := os.Lstat(s.path(r))
	r.Kept = err == nil && info.Mode().IsRegular() && r.Name != ""
	return r, nil
}

// maxRecord is the largest record that is read, far more than a record needs.
const maxRecord = 1 << 20

func isHash(name string) bool {
	sum, err := hex.DecodeString(name)
	return err == nil && len(sum) == sha256.Size && name == strings.ToLower(name)
}

// plausible says whether a record can belong to its entry: bytes, places and marks result in
// the entry's name, and the name of the copy does not lead out of the entry.
func (r Record) plausible() bool {
	return !strings.Contains(r.Name, "/") && copyName(r.Name) == r.Name && isHash(r.sum()) && r.NameOf(r.sum()) == r.SHA256
}

func (s *Store) path(r Record) string { return filepath.Join(s.entry(r.SHA256), r.Name) }

func (s *Store) guess(r *Record) error {
	files, err := os.ReadDir(s.entry(r.SHA256))
	if err != nil {
		return err
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil || !info.Mode().IsRegular() || file.Name() == recordName || strings.HasPrefix(file.Name(), ".") {
			continue
		}
		r.Name, r.Size, r.FirstUsed, r.LastUsed = file.Name(), info.Size(), info.ModTime(), info.ModTime()
	}
	return nil
}

// writeLocked replaces a record by a rename, so that a crash leaves the old or the new one.
func (s *Store) writeLocked(r Record) (err error) {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(s.entry(r.SHA256), ".record-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(append(data, '\n'))
	err = errors.Join(err, temp.Chmod(0o600), temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), filepath.Join(s.entry(r.SHA256), recordName))
}

// List returns all records, the last used first.
func (s *Store) List() []Record {
	if s.trusted() != nil {
		return nil
	}
	var all []Record
	entries, _ := os.ReadDir(s.dir)
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		if r, err := s.read(entry.Name()); err == nil {
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(a, b Record) int { return b.LastUsed.Compare(a.LastUsed) })
	return all
}

// Find returns the only record whose hash begins with prefix.
func (s *Store) Find(prefix string) (Record, error) {
	all := s.List()
	var found []Record
	for _, r := range all {
		if prefix != "" && strings.HasPrefix(r.SHA256, strings.ToLower(prefix)) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Record{}, fmt.Errorf("cannot find release %q: there %s", prefix, catalogue(all))
	}
	return Record{}, fmt.Errorf("cannot tell which release %q is: there %s; give more of the hash", prefix,
		catalogue(found))
}

func catalogue(all []Record) string {
	if len(all) == 0 {
		return "is none"
	}
	var names []string
	for _, r := range all {
		words := []string{r.Name, r.Version, string(r.Verdict)}
		if !r.Kept {
			words = append(words, "no copy left")
		}
		words = slices.DeleteFunc(words, func(w string) bool { return w == "" })
		names = append(names, phrase.Hash(r.SHA256)+" ("+strings.Join(words, ", ")+")")
	}
	return "are " + strings.Join(names, ", ")
}

// Verdict returns the judgement of a release, the zero value if there is none.
func (s *Store) Verdict(sha256 string) Judgement {
	if s.trusted() != nil {
		return Judgement{}
	}
	r, err := s.read(sha256)
	if err != nil {
		return Judgement{}
	}
	return r.Judgement
}

// Mark records the verdict on a release that ran with the configuration of this
// fingerprint. A release without a copy gets a record, too.
func (s *Store) Mark(sha256 string, verdict Verdict, reason, fingerprint string) error {
	err := s.change(func() error {
		if err := s.makeEntry(sha256); err != nil {
			return err
		}
		r, err := s.read(sha256)
		if err != nil {
			return err
		}
		now := time.Now()
		if r.LastUsed.IsZero() {
			r.FirstUsed, r.LastUsed = now, now
		}
		r.Judgement = Judgement{Verdict: verdict, Reason: reason, Judged: now, Fingerprint: fingerprint}
		return s.writeLocked(r)
	})
	if err != nil {
		return fmt.Errorf("cannot record that release %s is %s: %w", phrase.Hash(sha256), verdict, err)
	}
	return nil
}

// change runs a function that writes to the store, under the store's lock. Its error is a
// *FullError or a *WriteError.
func (s *Store) change(do func() error) error {
	err := s.make()
	if err != nil {
		return writeError(s.dir, err)
	}
	unlock, err := s.lock()
	if err != nil {
		return writeError(s.dir, err)
	}
	defer unlock()
	if err := do(); err != nil {
		return writeError(s.dir, err)
	}
	return nil
}
