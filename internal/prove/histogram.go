package prove

import (
	"math/bits"
	"time"
)

const (
	subBits    = 5
	subBuckets = 1 << subBits
	buckets    = (64 - subBits + 1) * subBuckets
)

// histogram counts durations in constant memory: 32 buckets for every power of
// two of nanoseconds. A quantile is the upper end of its bucket, so it is never
// below the true value and at most 1/32 (3.2 %) above it. The slowest is exact.
type histogram struct {
	counts  [buckets]uint64
	total   uint64
	slowest time.Duration
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(uint64(d))]++
	h.total++
	h.slowest = max(h.slowest, d)
}

func (h *histogram) merge(from *histogram) {
	for i, n := range from.counts {
		h.counts[i] += n
	}
	h.total += from.total
	h.slowest = max(h.slowest, from.slowest)
}

// quantile returns the duration that at least the share q of all durations does
// not exceed; 0 where there are none.
func (h *histogram) quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := uint64(q * float64(h.total))
	if float64(rank) < q*float64(h.total) {
		rank++
	}
	var seen uint64
	for i, n := range h.counts {
		if seen += n; n > 0 && seen >= rank {
			return min(time.Duration(upperEnd(i)), h.slowest)
		}
	}
	return h.slowest
}

// bucketOf returns v itself below 64, and above that the exponent of v followed
// by the 5 bits after its leading one.
func bucketOf(v uint64) int {
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift<<subBits + int(v>>shift)
}

// upperEnd returns the greatest value of bucket i.
func upperEnd(i int) uint64 {
	shift := max(i>>subBits-1, 0)
	return uint64(i-shift<<subBits+1)<<shift - 1
}
