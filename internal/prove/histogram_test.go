package prove

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogramQuantiles(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var all []time.Duration
	var halves [2]histogram
	for i := range 20_000 {
		d := time.Duration(random.ExpFloat64() * float64(time.Millisecond))
		all = append(all, d)
		halves[i%2].add(d)
	}
	h := halves[0]
	h.merge(&halves[1])
	slices.Sort(all)
	for _, q := range []float64{0.0001, 0.5, 0.9, 0.99, 0.999, 1} {
		exact := all[max(int(q*float64(len(all)))-1, 0)]
		got := h.quantile(q)
		if got < exact || float64(got) > float64(exact)*(1+1.0/32)+1 {
			t.Errorf("quantile %v: %v, exact %v", q, got, exact)
		}
	}
	if h.slowest != all[len(all)-1] || h.total != uint64(len(all)) {
		t.Errorf("slowest %v of %d", h.slowest, h.total)
	}
}

func TestHistogramBuckets(t *testing.T) {
	for _, v := range []uint64{0, 1, 31, 32, 63, 64, 65, 127, 128, 1 << 40, 1<<63 - 1, 1<<64 - 1} {
		i := bucketOf(v)
		if i < 0 || i >= buckets || upperEnd(i) < v || i > 0 && upperEnd(i-1) >= v {
			t.Errorf("%d is in bucket %d, which ends at %d", v, i, upperEnd(i))
		}
	}
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty histogram has a median")
	}
	h.add(-time.Second) // a clock that steps back
	if h.quantile(0.5) != 0 || h.slowest != 0 {
		t.Errorf("a negative duration became %v", h.quantile(0.5))
	}
}

func TestGaps(t *testing.T) {
	var g gaps
	for _, ms := range []int{10, 12, 11, 40, 35, 45} { // two of them late to report
		g.answer(time.Duration(ms) * time.Millisecond)
	}
	g.end(60 * time.Millisecond)
	g.answer(500 * time.Millisecond) // after the load
	if time.Duration(g.longest.Load()) != 28*time.Millisecond || g.at != 12*time.Millisecond {
		t.Errorf("longest gap %v at %v, want 28ms at 12ms", time.Duration(g.longest.Load()), g.at)
	}
	var silent gaps
	silent.answer(5)
	silent.end(time.Second)
	if time.Duration(silent.longest.Load()) != time.Second-5 {
		t.Error("an app that stopped answering has no gap")
	}
	var never gaps
	never.end(time.Second)
	if never.longest.Load() != 0 {
		t.Error("a gap without any answer")
	}
}
