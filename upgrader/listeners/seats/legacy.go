package seats

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Legacy is a group as it passes from one master to the next.
type Legacy struct {
	Members []MemberLegacy `json:"members"` // in the kernel's order
	Weight  int            `json:"weight,omitempty"`
	Shared  int            `json:"shared,omitempty"` // workers that serve at the shared one
	LastID  int            `json:"last_id,omitempty"`
}

// MemberLegacy is one socket of a Legacy. ID 0 is the common one.
type MemberLegacy struct {
	ID        int           `json:"id"`
	Worker    string        `json:"worker,omitempty"`
	Slot      int           `json:"slot"`
	Reserved  bool          `json:"reserved,omitempty"`
	Shared    bool          `json:"shared,omitempty"`
	Serving   bool          `json:"serving,omitempty"`
	Sticky    bool          `json:"sticky,omitempty"`
	Trial     *int          `json:"trial,omitempty"`
	Suspended bool          `json:"suspended,omitempty"`
	Share     int           `json:"share,omitempty"`
	Want      SocketOptions `json:"want,omitzero"`
	Changed   []Option      `json:"changed,omitempty"`
}

// Legacy returns what TakeOver needs to rebuild the group, with the seats by name. The group
// still owns the files.
func (g *Group) Legacy() (Legacy, map[string]*os.File) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := Legacy{Weight: g.weight, Shared: g.sharedWeight, LastID: g.lastID}
	files := map[string]*os.File{}
	for _, s := range g.members {
		l.Members = append(l.Members, MemberLegacy{
			ID: s.id, Worker: s.holder, Slot: s.slot, Reserved: s.reserved, Shared: s.shared, Serving: s.serving, Share: s.share,
			Suspended: s.suspended, Sticky: s.sticky, Trial: s.trial, Want: s.want, Changed: s.changed,
		})
		if s.id > 0 {
			files[s.name()] = s.file
		}
	}
	return l, files
}

// TakeOver rebuilds the group of another master. It becomes the owner of the files, and changes
// nothing in the kernel. A file that the legacy does not list belongs to a seat that was opened
// after the legacy was written: that seat is free. A seat without a file was closed. If the other
// master was killed, call Heal before anything else.
func TakeOver(common *os.File, l Legacy, files map[string]*os.File, o Options) (*Group, error) {
	w, err := examine(common)
	if err != nil {
		return nil, err
	}
	g := newGroup(common, w, o)
	g.members, g.weight, g.sharedWeight, g.lastID = nil, l.Weight, l.Shared, l.LastID
	left := map[int]*os.File{}
	for name, file := range files {
		id, err := strconv.Atoi(strings.TrimPrefix(name, seatPrefix))
		if err != nil || id <= 0 || !strings.HasPrefix(name, seatPrefix) {
			return nil, fmt.Errorf("internal error: %q is no seat of a listener", name)
		}
		left[id] = file
	}
	for _, m := range l.Members {
		s := &seat{
			id: m.ID, file: left[m.ID], holder: m.Worker, slot: m.Slot, reserved: m.Reserved, shared: m.Shared,
			serving:   m.Serving,
			suspended: m.Suspended, sticky: m.Sticky, trial: m.Trial, share: m.Share, want: m.Want, changed: m.Changed,
		}
		if m.ID == 0 {
			s.file, g.common = common, s
		}
		if delete(left, m.ID); s.file != nil || s.stranger() {
			g.members = append(g.members, s)
		}
	}
	if !slices.Contains(g.members, g.common) {
		return nil, fmt.Errorf("internal error: a group of %s without its common socket", w.address)
	}
	for id := range left {
		g.members = append(g.members, &seat{id: id, file: left[id], slot: -1})
		g.lastID = max(g.lastID, id)
	}
	slices.SortStableFunc(g.members[len(g.members)-len(left):], func(a, b *seat) int { return a.id - b.id })
	g.attached = len(g.members) > 1
	for _, s := range g.members {
		if g.keeper != nil && s.id > 0 {
			g.keeper.Keep(s.name(), s.file)
		}
	}
	return g, nil
}
