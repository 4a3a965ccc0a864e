package prove

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// TestRate: requests are sent by schedule even while the server pauses, and the pause shows in the
// latency of all requests that were due during it, even if one client has to send them all.
func TestRate(t *testing.T) {
	const rate, pause, long = 200, 300 * time.Millisecond, 600 * time.Millisecond
	for _, most := range []int{mostClients, 1} {
		var until atomic.Int64
		var meanwhile atomic.Int64
		s := newRawServer(t, "tcp", func(s *rawServer, c net.Conn, n int64) bool {
			until.CompareAndSwap(0, time.Now().Add(pause).UnixNano())
			if wait := time.Until(time.Unix(0, until.Load())); wait > 0 {
				meanwhile.Add(1)
				select {
				case <-time.After(wait):
				case <-s.done:
				}
			}
			return send(c, plain)
		})
		l, err := prepare(Options{URL: s.url(), Connections: KeepAlive, Rate: rate, Duration: long, MinRequests: rate / 2})
		if err != nil {
			t.Fatal(err)
		}
		l.most = most
		r, err := l.run(t.Context())
		if err != nil || r.Lost() != 0 || r.Rate != rate {
			t.Fatalf("%v: %+v", err, r)
		}
		// 60 requests were due in the pause, and wait for 150 ms in the middle.
		if r.KeepAlive.Latency.P90 < ms(50) {
			t.Errorf("up to %d clients: the pause does not show: %+v", most, r.KeepAlive.Latency)
		}
		if wide := meanwhile.Load() > 10; wide != (most > 1) || (r.Clients > 10) != (most > 1) {
			t.Errorf("up to %d clients: %d requests were sent in the pause, by %d", most, meanwhile.Load(), r.Clients)
		}
		if due := int64(time.Duration(r.Duration).Seconds()*rate) + 1; r.Total.Sent > due {
			t.Errorf("%d requests were sent, %d were due", r.Total.Sent, due)
		}
	}
}

// TestRateCutShort: the end of ctx ends an open loop whose server never answers again.
func TestRateCutShort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := newRawServer(t, "tcp", func(s *rawServer, _ net.Conn, n int64) bool {
		if n == 20 {
			cancel()
		}
		<-s.done
		return false
	})
	r, err := Run(ctx, Options{URL: s.url(), Rate: 200, Duration: tooLong})
	if !errors.Is(err, context.Canceled) || r.Lost() != 0 || !r.CutShort {
		t.Errorf("%v: %+v", err, r)
	}
}
