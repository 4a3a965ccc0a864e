// Package tally counts what has happened to the workers of an app since its first master
// began. Pool keeps a Tally and passes it on with the workers, so that no counter starts again
// when relevo is replaced or killed.
package tally

import (
	"maps"
	"slices"
	"time"

	"relevo/pool/machine"
)

// Death is how a worker has ended.
type Death string

const (
	Asked  Death = "asked"  // the master wanted it to, or it left in good order
	Exit   Death = "exit"   // its program returned, without an error
	Crash  Death = "crash"  // its program failed: an exit code, or a fault such as SIGSEGV
	OOM    Death = "oom"    // the kernel ended it for lack of memory
	Signal Death = "signal" // a signal from outside
	Hang   Death = "hang"   // it gave no sign of life
	Never  Death = "never"  // it could not be started
)

// Tally is a set of counters. The zero value is an app that has just begun.
type Tally struct {
	Starts map[machine.Cause]int `json:"starts,omitempty"`
	Deaths map[Death]int         `json:"deaths,omitempty"`
	// Rolls counts them by machine.Result, and by Superseded.
	Rolls   map[string]int `json:"rolls,omitempty"`
	Healed  map[string]int `json:"healed,omitempty"` // by the listener's address
	Adopted int            `json:"adopted,omitempty"`
	// LastGoodRoll is when a roll last ended well.
	LastGoodRoll time.Time `json:"last_good_roll,omitzero"`

	RollTime  Times `json:"roll_time,omitzero"`
	ReadyTime Times `json:"ready_time,omitzero"`
	DrainTime Times `json:"drain_time,omitzero"`
}

// Superseded is a roll whose place a newer one has taken.
const Superseded = "superseded"

// Started counts a worker's start.
func (t *Tally) Started(cause machine.Cause) { count(&t.Starts, cause) }

// Died counts a worker's end.
func (t *Tally) Died(how Death) { count(&t.Deaths, how) }

// Heal counts a repair of a listener.
func (t *Tally) Heal(address string) { count(&t.Healed, address) }

// Rolled counts a roll that has ended.
func (t *Tally) Rolled(result machine.Result, began, ended time.Time) {
	count(&t.Rolls, string(result))
	t.RollTime.Add(ended.Sub(began))
	if result == machine.OK {
		t.LastGoodRoll = ended
	}
}

// Supersede counts a roll whose place a newer one has taken.
func (t *Tally) Supersede() { count(&t.Rolls, Superseded) }

func count[K comparable](counters *map[K]int, key K) {
	if *counters == nil {
		*counters = map[K]int{}
	}
	(*counters)[key]++
}

// Clone returns a copy that shares nothing.
func (t Tally) Clone() Tally {
	t.Starts, t.Deaths = maps.Clone(t.Starts), maps.Clone(t.Deaths)
	t.Rolls, t.Healed = maps.Clone(t.Rolls), maps.Clone(t.Healed)
	for _, times := range []*Times{&t.RollTime, &t.ReadyTime, &t.DrainTime} {
		times.Counts = slices.Clone(times.Counts)
	}
	return t
}

// bounds are the upper bounds of the classes of Times, in seconds.
var bounds = [...]float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800}

// Bounds returns the upper bounds of the classes of Times, in seconds.
func Bounds() []float64 { return slices.Clone(bounds[:]) }

// Times is a histogram of durations.
type Times struct {
	// Counts are the durations of each class of Bounds, and last those above; classes at the
	// end that have none are left out. Documents depend on the bounds.
	Counts []int   `json:"counts,omitempty"`
	Sum    float64 `json:"sum,omitempty"` // seconds
}

// Add counts one duration.
func (t *Times) Add(d time.Duration) {
	class, _ := slices.BinarySearch(bounds[:], d.Seconds())
	for len(t.Counts) <= class {
		t.Counts = append(t.Counts, 0)
	}
	t.Counts[class]++
	t.Sum += d.Seconds()
}

// IsZero says whether nothing was counted.
func (t Times) IsZero() bool { return len(t.Counts) == 0 }
