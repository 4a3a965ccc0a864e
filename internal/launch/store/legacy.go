package store

import (
	"encoding/json"
	"time"
)

// sealLegacy is a Seal in JSON. The next master may use it, because it sees the same files.
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
	// Identities are compared with ==, so the times need the location of os.Stat's: Local.
	s.sum, s.noted, s.young = l.SHA256, Identity{l.Dev, l.Ino, l.Size, l.Mtime.Local(), l.Ctime.Local()}, l.Young
	return nil
}
