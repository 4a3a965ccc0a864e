package seats

import (
	"fmt"
	"os"
	"slices"
)

// SocketOptions are the options that a program has set on its own socket, which the seat
// replaces. They are properties of the seat's socket and outlive the program, so they are
// applied at each Take.
type SocketOptions struct {
	Nonblock bool     `json:"nonblock,omitempty"`
	Backlog  int      `json:"backlog,omitempty"` // default: the most that the kernel gives
	Set      []Option `json:"set,omitempty"`
}

// Option is a socket option, as setsockopt(2) takes it.
type Option struct {
	Level int    `json:"level"`
	Name  int    `json:"name"`
	Value []byte `json:"value"`
}

// seat is a member of the group. All of it is under Group.mu.
type seat struct {
	id   int // 0: the common socket
	file *os.File

	holder   string // the worker that has it; empty: none
	slot     int    // of the holder, or of the last one
	reserved bool   // a worker of the slot has left it; the slot's next one has the first claim
	serving  bool   // its holder wants new connections
	sticky   bool   // its holder wants clients to stick to slots
	// trial is the part of all connections that the holder gets while others serve, in
	// ten-thousandths; nil: its holder is not on trial
	trial  *int
	shared bool // Group.Share has returned it; it has no holder

	suspended bool // its holder fails: Group.Suspend

	share   int // how often it is listed in the present program
	want    SocketOptions
	changed []Option // the values of options before Take set them
	left    handshakes
}

// wanted is how often the seat should be listed in the program.
func (s *seat) wanted(commonWeight, sharedWeight int) int {
	n := 0
	if s.serving && !s.suspended {
		n = 1
	}
	if s.id == 0 {
		n += commonWeight
	}
	if s.shared {
		n += sharedWeight
	}
	return n
}

// free says whether a worker of any slot may have the seat.
func (s *seat) free() bool {
	return s.holder == "" && !s.stranger() && !s.shared && (!s.reserved || s.share == 0 && queueLength(s.file) == 0)
}

// prepare sets the options that the program asked for, and resets those that only an
// earlier program had set.
func (s *seat) prepare(want SocketOptions) (refused []error, err error) {
	var kept []Option
	for _, before := range s.changed {
		if slices.ContainsFunc(want.Set, before.same) {
			kept = append(kept, before)
		} else {
			setOption(s.file, before)
		}
	}
	s.changed, s.want = kept, want
	for _, o := range want.Set {
		before := s.remember(o)
		if err := setOption(s.file, o); err != nil {
			refused = append(refused, fmt.Errorf("cannot set socket option %d of level %d: %w", o.Name, o.Level, err))
			continue
		}
		s.changed = append(s.changed, before...)
	}
	if s.id != 0 || s.holder != "" {
		if err := setNonblock(s.file, s.want.Nonblock); err != nil {
			return refused, fmt.Errorf("cannot set the mode of a worker's socket: %w", err)
		}
	}
	return refused, s.assert()
}

// remember reads the present values of an option, and of the options that change with it, in the
// order in which they have to be restored.
func (s *seat) remember(o Option) (before []Option) {
	for _, o := range append([]Option{o}, follow(o)...) {
		if now, ok := getOption(s.file, o); ok && !slices.ContainsFunc(s.changed, o.same) {
			before = append(before, now)
		}
	}
	return before
}

// assert sets the queue length that the program asked for. It does not change the common socket
// unless that is lent, because the socket's owner sets its length.
func (s *seat) assert() error {
	if s.id == 0 && s.holder == "" {
		return listen(s.file, 0)
	}
	if err := listen(s.file, s.want.Backlog); err != nil {
		return fmt.Errorf("cannot set the accept queue of a worker's socket: %w", err)
	}
	return nil
}

func (o Option) same(other Option) bool { return o.Level == other.Level && o.Name == other.Name }

// strangerID is the ID of a socket in the group that another process has opened.
const strangerID = -1

func (s *seat) stranger() bool { return s.id == strangerID }

func (s *seat) drops() uint32 {
	if s.stranger() {
		return 0
	}
	return dropped(s.file)
}
