package listeners

import (
	"maps"
	"os"
	"slices"
	"strings"

	"relevo/upgrader/listeners/seats"
)

// seatsLegacy is a seating as it passes from one master to the next.
type seatsLegacy struct {
	Group   *seats.Legacy `json:"group,omitempty"`
	Sharers []string      `json:"sharers,omitempty"`

	Borrowers map[string]bool `json:"borrowers,omitempty"`
}

// legacy is nil where there is nothing to pass on. The seats are added to files.
func (s *seating) legacy(listener int, files map[string]*os.File) *seatsLegacy {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.group == nil && len(s.sharers) == 0 && len(s.borrowers) == 0 {
		return nil
	}
	l := &seatsLegacy{Sharers: slices.Sorted(maps.Keys(s.sharers)), Borrowers: maps.Clone(s.borrowers)}
	if s.group != nil {
		group, seats := s.group.Legacy()
		l.Group = &group
		for name, file := range seats {
			files[seatFile(listener, name)] = file
		}
	}
	return l
}

// takeOverSeats takes over the sockets of the workers' own at one listener.
func (s *Set) takeOverSeats(l *Listener, known *seatsLegacy, from Source) error {
	if known == nil {
		return nil
	}
	l.seats.borrowers = known.Borrowers
	for _, worker := range known.Sharers {
		if err := l.seats.share(worker, true); err != nil {
			return err
		}
	}
	if known.Group == nil {
		return nil
	}
	files := map[string]*os.File{}
	for _, name := range from.Names() {
		if seat, ours := strings.CutPrefix(name, seatFile(l.id, "")); ours {
			file, err := from.Socket(name)
			if err != nil {
				return err
			}
			files[seat] = file
		}
	}
	group, err := seats.TakeOver(l.file, *known.Group, files, s.groupOptions(l))
	l.seats.group = group
	return err
}
