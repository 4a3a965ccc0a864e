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

// Verdict is how a release did.
type Verdict string

// The verdicts.
const (
	Unjudged Verdict = ""     // no roll to it has ended
	Good     Verdict = "good" // it served
	Bad      Verdict = "bad"  // a roll to it failed, or it was gone back from
)

// About is what is known of an executable when it is copied.
type About struct {
	Version     string `json:"version,omitempty"`      // where the bytes tell it
	Source      string `json:"source,omitempty"`       // path of the executable, as given
	Resolved    string `json:"resolved,omitempty"`     // the same, symbolic links resolved
	Dir         string `json:"dir,omitempty"`          // working directory, as given
	ResolvedDir string `json:"resolved_dir,omitempty"` // the same, symbolic links resolved
	Script      bool   `json:"script,omitempty"`       // begins with #!
	Interpreted bool   `json:"interpreted,omitempty"`  // a file that an argument of an interpreter names

	// Of a file among the arguments that an interpreter runs:
	Argument         string `json:"argument,omitempty"`          // as given
	ResolvedArgument string `json:"resolved_argument,omitempty"` // symbolic links resolved

	// Places are the directories that make one release of these bytes another
	// than the next: those that symbolic links led to.
	Places []string `json:"places,omitempty"`

	// Marks tell of what belongs to a script beside it: lock files and a revision.
	Marks []string `json:"marks,omitempty"`
}

// NameOf is Name for bytes of which this is known.
func (a About) NameOf(sha256OfBytes string) string {
	return Name(sha256OfBytes, slices.Concat(a.Places, a.Marks))
}

// Name is the hash that a release is known by: that of its bytes, unless it has
// places or marks.
func Name(sha256OfBytes string, more []string) string {
	if len(more) == 0 || sha256OfBytes == "" {
		return sha256OfBytes
	}
	sum := sha256.Sum256([]byte(sha256OfBytes + "\x00" + strings.Join(more, "\x00")))
	return hex.EncodeToString(sum[:])
}

// Judgement is a verdict and what led to it.
type Judgement struct {
	Verdict     Verdict   `json:"verdict,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	Judged      time.Time `json:"judged,omitzero"`
	Fingerprint string    `json:"fingerprint,omitempty"` // of the configuration it was judged with
}

// Record is what release.json holds of an entry.
type Record struct {
	SHA256 string `json:"sha256"`          // the release's, see Name
	Bytes  string `json:"bytes,omitempty"` // of the bytes, where that is another
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	// Attributes are owner, mode and privileges of the copy, to be compared.
	Attributes string `json:"attributes,omitempty"`
	About
	FirstUsed time.Time `json:"first_used,omitzero"`
	LastUsed  time.Time `json:"last_used,omitzero"`
	Judgement
	Kept bool `json:"-"` // there is a copy; of a bad release only the record may be left
}

// Directory is where the release lies, empty if that is no part of what it is.
func (a About) Directory() string {
	if len(a.Places) == 0 {
		return ""
	}
	return a.Places[len(a.Places)-1]
}

// sum is the hash of the copy's bytes.
func (r Record) sum() string {
	if r.Bytes != "" {
		return r.Bytes
	}
	return r.SHA256
}

const recordName = "release.json"

// copyName is the name of a program's copy in its entry.
func copyName(name string) string {
	if name == recordName || strings.HasPrefix(name, ".") {
		return "_" + name
	}
	return name
}

// read returns the record of an entry. Of one without a readable record the
// files tell what they can.
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

// maxRecord is far more than a record takes.
const maxRecord = 1 << 20

func isHash(name string) bool {
	sum, err := hex.DecodeString(name)
	return err == nil && len(sum) == sha256.Size && name == strings.ToLower(name)
}

// plausible says whether a record can be that of the entry it lies in: its bytes, places
// and marks are those that the entry is named by, and its name leads nowhere else.
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

// writeLocked replaces a record: after a crash there is the old one or the new.
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

// List returns all records, the newest use first.
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

// Find returns the one record whose hash begins with prefix.
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

// Verdict returns the judgement of a release; the zero value where there is none.
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

// Mark records how a release did with the configuration of that fingerprint. A
// release of which there is no copy gets a record all the same.
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

// change runs what writes to the store, and sorts its errors.
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
