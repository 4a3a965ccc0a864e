package store

import (
	"encoding/json"
	"time"
)

// sealLegacy is a Seal in a document: the machine stays the same, and so do its
// files.
type sealLegacy struct {
	SHA256 string    `json:"sha256"`
	Dev    uint64    `json:"dev"`
	Ino    uint64    `json:"ino"`
	Size   int64     `json:"size"`
	Mtime  time.Time `json:"mtime"`
	Ctime  time.Time `json:"ctime"`
	Young  bool      `json:"young,omitempty"`
}

// MarshalJSON writes the seal for another process on this machine.
func (s *Seal) MarshalJSON() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.noted
	return json.Marshal(sealLegacy{s.sum, n.dev, n.ino, n.size, n.mtime, n.ctime, s.young})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Seal) UnmarshalJSON(text []byte) error {
	var l sealLegacy
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Local, as stat(2) gives them: identities are compared whole.
	s.sum, s.noted, s.young = l.SHA256, Identity{l.Dev, l.Ino, l.Size, l.Mtime.Local(), l.Ctime.Local()}, l.Young
	return nil
}
