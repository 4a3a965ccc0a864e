package ipc

import (
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"
)

// A worker that writes without a pause is read at the rate that it may have, and
// nothing of it is lost.
func TestThrottledChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		delivered, floods, ended := 0, []Flood(nil), make(chan struct{})
		began := time.Now()
		c := NewChannel(ours, Rest{}, func(Message) { delivered++ }, func(error) { close(ended) },
			func(f Flood) { floods = append(floods, f) })
		const all = channelBurst + 12*channelRate
		go func() {
			defer theirs.Close()
			for n := range all {
				fmt.Fprintln(theirs, n)
			}
		}()
		<-ended
		if took := time.Since(began).Round(time.Second); delivered != all || took != 12*time.Second {
			t.Errorf("%d messages in %v, want %d in 12s", delivered, took, all)
		}
		// After 1 and 11 seconds.
		if len(floods) != 2 || floods[0].Count < channelRate/2 || floods[1].For < 10*time.Second {
			t.Errorf("told %+v", floods)
		}
		c.Close()
		c.Wait()
	})
}

// A long message counts for many.
func TestThrottleCountsBytes(t *testing.T) {
	now := time.Now()
	limiter := rate.NewLimiter(channelRate, channelBurst)
	line := App{Data: make([]byte, MaxLine)}
	n := 0
	for limiter.AllowN(now, cost(line)) {
		n++
	}
	if n < 10 || n > 30 {
		t.Errorf("%d messages of 1 MiB pass at once", n)
	}
}

// Close does not wait for a peer that is being slowed down.
func TestThrottledChannelCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		c := NewChannel(ours, Rest{}, func(Message) {}, func(error) {}, func(Flood) {})
		go func() {
			for {
				if _, err := fmt.Fprintln(theirs, 1); err != nil {
					return
				}
			}
		}()
		time.Sleep(5 * time.Second)
		began := time.Now()
		c.Close()
		c.Wait()
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v", took)
		}
	})
}

func TestSenders(t *testing.T) {
	now := time.Now()
	var told []Flood
	s := senders{byPID: map[int]*sender{}, tell: func(_ Sender, f Flood) { told = append(told, f) }}
	loud, calm := Sender{PID: 1}, Sender{PID: 2}
	passed := 0
	for range 25 * 1000 { // 25 s, 1,000 a second
		now = now.Add(time.Millisecond)
		if s.admit(loud, []byte("STATUS=x"), now) {
			passed++
		}
	}
	if want := notifyBurst + 25*notifyRate; passed < want-1 || passed > want+1 {
		t.Errorf("%d passed, want %d", passed, want)
	}
	if len(told) != 3 || told[0].For >= 10*time.Second || told[1].For < 10*time.Second {
		t.Errorf("told %+v", told)
	}
	words := 0
	for range 1000 {
		if s.admit(loud, []byte("STATUS=x\nREADY=1"), now) {
			words++
		}
	}
	if words != wordBurst {
		t.Errorf("%d words passed, want %d", words, wordBurst)
	}
	if !s.admit(calm, []byte("STATUS=x"), now) {
		t.Error("another sender is held responsible")
	}
	for pid := range 5000 {
		s.admit(Sender{PID: 10 + pid}, nil, now)
	}
	if len(s.byPID) > maxSenders {
		t.Errorf("%d senders are remembered", len(s.byPID))
	}
}

// TestManySenders: forgetting those that are silent makes room, and no new allowance
// for one that floods.
func TestManySenders(t *testing.T) {
	now, s := time.Now(), senders{byPID: map[int]*sender{}}
	for pid := range maxSenders - 1 {
		s.admit(Sender{PID: 1 + pid}, []byte("STATUS=x"), now)
	}
	now = now.Add(time.Minute)
	loud := Sender{PID: 1 << 20}
	for s.admit(loud, []byte("STATUS=x"), now) {
	}
	if s.admit(Sender{PID: loud.PID + 1}, []byte("STATUS=x"), now); len(s.byPID) != 2 {
		t.Errorf("%d senders are remembered, want 2", len(s.byPID))
	}
	if s.admit(loud, []byte("STATUS=x"), now) {
		t.Error("who floods has a new allowance")
	}
}
