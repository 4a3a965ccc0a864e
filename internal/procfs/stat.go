package procfs

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Stat is the text of proc_pid_stat(5).
type Stat struct {
	text string // from the third field on, which has one letter
}

// Stat reads the state of a process or thread.
func (p Process) Stat() (Stat, error) {
	text, err := readOnce(string(p) + "/stat")
	if err != nil {
		return Stat{}, err
	}
	stat, ok := parseStat(text)
	if !ok {
		return Stat{}, fmt.Errorf("cannot understand %s/stat", p)
	}
	return stat, nil
}

// parseStat reads "1234 (name) S 1 …". The name may hold spaces and parentheses, and so
// it ends at the last one.
func parseStat(text string) (Stat, bool) {
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return Stat{}, false
	}
	s := Stat{strings.TrimSpace(text[end+1:])}
	return s, len(s.field(3)) == 1
}

// field returns a field by its number in proc_pid_stat(5), empty if there is none. The text is not
// split in advance: most fields are never used, and all processes of the machine are read.
func (s Stat) field(number int) string {
	rest := s.text
	for ; number > 3; number-- {
		_, rest, _ = strings.Cut(rest, " ")
	}
	field, _, _ := strings.Cut(rest, " ")
	return field
}

// number is the value of a field, 0 if there is none.
func (s Stat) number(field int) uint64 {
	n, _ := strconv.ParseUint(s.field(field), 10, 64)
	return n
}

// State is a letter: R runs, S sleeps, T is stopped, t is traced, Z is a zombie, X is dead.
func (s Stat) State() byte { return s.text[0] }

// Stopped says whether the process does not run, for now or for good.
func (s Stat) Stopped() bool { return strings.IndexByte("TtZX", s.State()) >= 0 }

// Parent is the number of the parent.
func (s Stat) Parent() int { return int(s.number(4)) }

// HasTerminal says whether the session has a terminal.
func (s Stat) HasTerminal() bool {
	terminal := s.field(7)
	return terminal != "" && terminal != "0"
}

// clockTick is the unit of times: USER_HZ is 100 on all Linux architectures of Go.
const clockTick = 10 * time.Millisecond

// CPU is the time on processors.
func (s Stat) CPU() time.Duration { return time.Duration(s.number(14)+s.number(15)) * clockTick }

// Threads is how many threads it has.
func (s Stat) Threads() int { return int(s.number(20)) }

// Resident is what is in memory, in bytes.
func (s Stat) Resident() int64 { return int64(s.number(24)) * int64(os.Getpagesize()) }

// ExitCode says how a zombie ended, as wait(2) would. The kernel shows 0 to processes without the
// right to see it. ok is false if the process is no zombie.
func (s Stat) ExitCode() (code uint32, ok bool) {
	if s.State() != 'Z' {
		return 0, false
	}
	n, err := strconv.ParseUint(s.field(52), 10, 32)
	return uint32(n), err == nil
}
