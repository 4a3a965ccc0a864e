package pool

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Connections counts what happened to the connections of workers that the master led out,
// because their programs do not drain by themselves. Counting begins when a worker gets
// no new client any more.
type Connections struct {
	Finished int `json:"finished"` // answered, and closed by either end
	Rescued  int `json:"rescued"`  // a relay has taken them over
	Cut      int `json:"cut"`      // they ended with the worker
	// HandedOver: another worker of Node's cluster has got them, and serves them on.
	HandedOver int `json:"handed_over,omitempty"`

	Why map[string]int `json:"cut_why,omitempty"` // how many were cut for what reason, see the Cut constants
}

// Why connections are cut.
const (
	CutIdle    = "idle at the end"          // no request was open, but the client may have been about to send one
	CutInUse   = "in use"                   // at the drain timeout, or the worker died
	CutForeign = "not HTTP/1 (TLS, HTTP/2)" // a relay cannot serve it
)

// Plus adds two counts up.
func (c Connections) Plus(other Connections) Connections {
	sum := Connections{
		Finished: c.Finished + other.Finished, Rescued: c.Rescued + other.Rescued, Cut: c.Cut + other.Cut,
		HandedOver: c.HandedOver + other.HandedOver, Why: maps.Clone(c.Why),
	}
	for why, n := range other.Why {
		if sum.Why == nil {
			sum.Why = map[string]int{}
		}
		sum.Why[why] += n
	}
	return sum
}

// Minus is what was counted since other was.
func (c Connections) Minus(other Connections) Connections {
	negative := Connections{
		Finished: -other.Finished, Rescued: -other.Rescued, Cut: -other.Cut, HandedOver: -other.HandedOver,
		Why: map[string]int{},
	}
	for why, n := range other.Why {
		negative.Why[why] = -n
	}
	left := c.Plus(negative)
	maps.DeleteFunc(left.Why, func(_ string, n int) bool { return n == 0 })
	return left
}

// CutFor counts connections that were cut.
func (c *Connections) CutFor(why string, n int) {
	if n > 0 {
		*c = c.Plus(Connections{Cut: n, Why: map[string]int{why: n}})
	}
}

// String is the text for people: "3 finished, 1 rescued, 0 cut".
func (c Connections) String() string {
	text := fmt.Sprintf("%d finished, ", c.Finished)
	if c.HandedOver != 0 {
		text += fmt.Sprintf("%d handed over, ", c.HandedOver)
	}
	text += fmt.Sprintf("%d rescued, %d cut", c.Rescued, c.Cut)
	var why []string
	for _, reason := range slices.Sorted(maps.Keys(c.Why)) {
		if n := c.Why[reason]; n > 0 {
			why = append(why, fmt.Sprintf("%d %s", n, reason))
		}
	}
	if len(why) > 0 {
		text += ": " + strings.Join(why, ", ")
	}
	return text
}
