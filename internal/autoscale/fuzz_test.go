package autoscale_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"relevo/internal/autoscale"
)

// reader takes a fuzzer's bytes as numbers; 0 when there are no more.
type reader struct{ bytes []byte }

func (r *reader) upTo(n int) int {
	if len(r.bytes) == 0 {
		return 0
	}
	b := r.bytes[0]
	r.bytes = r.bytes[1:]
	return int(b) % (n + 1)
}

// some is upTo, and 0 more often than not: a single signal would be lost among all others.
func (r *reader) some(n int) int {
	if r.upTo(3) > 0 {
		return 0
	}
	return r.upTo(n)
}

func (r *reader) sample() autoscale.Sample {
	return autoscale.Sample{
		Held: r.upTo(15) == 15, CPU: float64(r.some(100)) / 10, Said: float64(r.some(30)) / 10, Waiting: r.some(9),
		Dropped: r.some(9) / 9, Slowness: float64(r.some(20)) / 10, Pressure: float64(r.some(10)) / 10,
		Processors: float64(1 + r.upTo(7)),
	}
}

// more is a sample with more load, and nothing else.
func (r *reader) more(s autoscale.Sample) autoscale.Sample {
	s.CPU += float64(r.some(30)) / 10
	s.Said += float64(r.some(10)) / 10
	s.Waiting += r.some(9)
	s.Dropped += r.some(2)
	s.Slowness += float64(r.some(10)) / 10
	return s
}

func (r *reader) stage() *stage {
	lower := 1 + r.upTo(5)
	s := newStage(autoscale.Bounds{Min: lower, Max: lower + r.upTo(9)}, 1+r.upTo(15))
	s.start = time.Duration(r.upTo(50)) * 100 * time.Millisecond
	return s
}

// addSeeds adds what runs without the fuzzer, too: numbers by chance, and short inputs.
func addSeeds(f *testing.F, count int, add func(seed []byte)) {
	f.Helper()
	for _, seed := range []string{"", "0", "scale by load", "\x03\x09\x01\x05\x00\x64\x1e\x09\x09\x14\x0a\x07"} {
		add([]byte(seed))
	}
	chance := rand.New(rand.NewPCG(1, 2))
	for range count {
		seed := make([]byte, chance.IntN(600))
		for i := range seed {
			seed[i] = byte(chance.Uint32())
		}
		add(seed)
	}
}

// FuzzBounds: whatever is seen, the number is within the bounds, one leaves at a time, and no
// sooner than a minute after another change.
func FuzzBounds(f *testing.F) {
	addSeeds(f, 100, func(seed []byte) { f.Add(seed) })
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &reader{data}
		s := r.stage()
		b := s.decider.Bounds()
		var changed time.Time
		for len(r.bytes) > 0 || s.now.Sub(s.began) < 40*time.Minute { // without bytes there is no load
			before, now := s.workers, s.now
			within := b.Fit(before) == before
			sample := r.sample()
			d := s.look(sample)
			switch {
			case sample.Held && d.Workers != before:
				t.Fatalf("from %d to %d in a roll", before, d.Workers)
			case !sample.Held && b.Fit(d.Workers) != d.Workers:
				t.Fatalf("%d is outside of %d..%d", d.Workers, b.Min, b.Max)
			case (d.Workers != before) != (d.Reason != ""):
				t.Fatalf("from %d to %d for %q", before, d.Workers, d.Reason)
			case within && d.Workers < before-1, within && d.Workers < before && now.Sub(changed) < time.Minute:
				t.Fatalf("from %d to %d at %s, after a change at %s", before, d.Workers, now, changed)
			case d.Next < autoscale.Confirm || d.Next > autoscale.Pause:
				t.Fatalf("looks again after %s", d.Next)
			}
			if d.Workers != before {
				changed = now
			}
		}
	})
}

// FuzzConstantLoad: whatever there was before, a load that stays the same is answered by a
// number that stays the same, after one change of direction at most.
func FuzzConstantLoad(f *testing.F) {
	for tenths := range uint8(40) {
		f.Add([]byte("\x00\x07"), tenths) // 1..8
	}
	addSeeds(f, 40, func(seed []byte) { f.Add(seed, byte(len(seed)%80)) })
	f.Fuzz(func(t *testing.T, data []byte, tenths uint8) {
		r := &reader{data}
		s := r.stage()
		for range len(r.bytes) / 7 {
			s.look(r.sample())
		}
		work := float64(tenths) / 10
		var turns, last int
		settled := s.now.Add(12*time.Minute + 20*time.Minute)
		for end := s.now.Add(2 * time.Hour); s.now.Before(end); {
			before := s.workers
			d := s.look(autoscale.Sample{
				CPU: min(work, float64(before)), Waiting: int(max(work-float64(before), 0) * 3), Said: work / float64(before),
			})
			direction := d.Workers - before
			if direction != 0 && s.now.After(settled) {
				t.Fatalf("still from %d to %d under a constant load of %.1f", before, d.Workers, work)
			}
			if direction*last < 0 {
				turns++
			}
			if direction != 0 {
				last = direction
			}
		}
		if turns > 1 {
			t.Fatalf("%d changes of direction under a constant load of %.1f", turns, work)
		}
	})
}

// FuzzMonotone: more load never means fewer workers. Two deciders see the same, and then one of
// them sees more load, until one of them changes the number.
func FuzzMonotone(f *testing.F) {
	addSeeds(f, 4000, func(seed []byte) { f.Add(seed) })
	f.Fuzz(func(t *testing.T, data []byte) {
		less, more := (&reader{data}).stage(), (&reader{data}).stage()
		r := &reader{data}
		last, extra := r.sample(), *r
		last.Held = false
		for range 1 + r.upTo(12) {
			sample := r.sample()
			less.look(sample)
			more.look(sample)
		}
		greater := extra.more(last)
		for range 5 {
			before := less.workers
			a, b := less.look(last), more.look(greater)
			if a.Workers > b.Workers {
				t.Fatalf("%d workers for %+v, %d for %+v", a.Workers, last, b.Workers, greater)
			}
			if a.Workers != before || b.Workers != before {
				break
			}
			less.now = more.now // that looks again at the same time
		}
	})
}
