package machine

import (
	"math"
	"time"
)

// forgiven is the time of service that cancels one death. The slot of a worker that keeps
// dying faster than this backs off; a worker that dies now and then is replaced at once,
// however often that happens. forgivenAsked is the same for deaths that relevo caused
// (relevo signal, relevo prove --kill).
const (
	forgiven      = 2 * time.Second
	forgivenAsked = time.Second
)

// backoff counts the death of a worker that had served for some time and returns the wait
// before the next spawn. Deaths leak away with service, as in a leaky bucket. The wait is
// zero for the first death and then doubles from BackoffMin to BackoffMax, with jitter.
func (s *slot) backoff(now time.Time, served time.Duration, o Options) time.Duration {
	s.deaths = leaked(s.deaths, served) + 1
	// Deaths beyond those that lead to BackoffMax do not count.
	s.deaths = min(s.deaths, 3+math.Ceil(math.Log2(float64(o.BackoffMax)/float64(o.BackoffMin))))
	if s.deaths < 2 {
		return 0
	}
	const spread = 1.4
	wait := float64(o.BackoffMin) * math.Pow(2, math.Floor(s.deaths)-2)
	wait = min(wait, float64(o.BackoffMax)/spread)
	wait *= 1 + (spread-1)*jitter(now, s.index)
	return max(o.BackoffMin, time.Duration(wait))
}

func leaked(deaths float64, served time.Duration) float64 {
	return max(0, deaths-float64(served)/float64(forgiven))
}

// unforgiven returns the deaths that still count against the slot.
func (s *slot) unforgiven(now time.Time) float64 {
	if s.serving == nil {
		return s.deaths
	}
	return leaked(s.deaths, now.Sub(s.serving.served))
}

// jitter returns a number in [0, 1) that differs between slots (or workers) and moments,
// so that slots whose workers died together are not respawned together. It is a function
// of its inputs (the finaliser of splitmix64, Steele et al. 2014) because the machine
// must give the same answer to the same events.
func jitter(now time.Time, index int) float64 {
	x := uint64(now.UnixNano()) + uint64(index+1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return float64(x>>11) / (1 << 53)
}
