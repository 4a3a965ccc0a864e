package feed

import "time"

// countEvery is how often connections are counted at most: that takes longer than all else of a
// look, because the descriptors of all workers are read.
const countEvery = 900 * time.Millisecond

// Sparing makes a count of connections one that answers from memory for a while.
func Sparing(count func(map[int][]int) map[int]int) func(map[int][]int) map[int]int {
	var at time.Time
	var last map[int]int
	return func(families map[int][]int) map[int]int {
		if time.Since(at) >= countEvery {
			last = count(families)
			at = time.Now()
		}
		return last
	}
}
