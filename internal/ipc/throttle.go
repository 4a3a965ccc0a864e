package ipc

import (
	"bytes"
	"time"

	"golang.org/x/time/rate"
)

// What a worker may send on its channel. Anything above that is not lost, only read later: the
// worker's writes wait.
const (
	channelRate  = 2000 // messages a second
	channelBurst = 5000
	perToken     = 4096 // bytes that count as one message more
)

// throttle slows down the reading of a channel.
type throttle struct {
	limiter *rate.Limiter
	flood   flood
	tell    func(Flood)
}

func newThrottle(tell func(Flood)) *throttle {
	return &throttle{limiter: rate.NewLimiter(channelRate, channelBurst), tell: tell}
}

// smallDebt is too short to wait for: one timer serves many messages.
const smallDebt = 50 * time.Millisecond

// pace waits if the peer has sent more than it may, but no longer than until done.
func (t *throttle) pace(m Message, done <-chan struct{}) {
	waitFor(t.spend(time.Now(), cost(m)), done)
}

// spend returns how long to wait before the next message.
func (t *throttle) spend(now time.Time, tokens int) time.Duration {
	wait := t.limiter.ReserveN(now, tokens).DelayFrom(now)
	if wait > 0 {
		if told, due := t.flood.add(now); due {
			t.tell(told)
		}
	}
	if wait < smallDebt {
		return 0
	}
	return wait
}

func waitFor(wait time.Duration, done <-chan struct{}) {
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-done:
	}
}

// cost is how many messages one message counts as. It is far below channelBurst, above which the
// limiter would refuse it.
func cost(m Message) int {
	size := 0
	switch m := m.(type) {
	case App:
		size = len(m.Data)
	case Status:
		size = len(m.Text)
	}
	return 1 + size/perToken
}

// What one process may send to the notify socket. Anything above that is dropped, except the words
// that change a worker's state, which have an allowance of their own.
const (
	notifyRate, notifyBurst = 200, 1000
	wordRate, wordBurst     = 20, 20
	maxSenders              = 1024
)

// senders limits each sender of datagrams.
type senders struct {
	byPID map[int]*sender
	tell  func(Sender, Flood)
}

type sender struct {
	datagrams, words *rate.Limiter
	flood            flood
}

// admit says whether to look at a datagram.
func (s *senders) admit(from Sender, datagram []byte, now time.Time) bool {
	one := s.byPID[from.PID]
	if one == nil {
		s.makeRoom(now)
		one = &sender{
			datagrams: rate.NewLimiter(notifyRate, notifyBurst),
			words:     rate.NewLimiter(wordRate, wordBurst),
		}
		s.byPID[from.PID] = one
	}
	if one.datagrams.AllowN(now, 1) || changesState(datagram) && one.words.AllowN(now, 1) {
		return true
	}
	if told, due := one.flood.add(now); due && s.tell != nil {
		s.tell(from, told)
	}
	return false
}

// makeRoom forgets the senders that are quiet and have their whole allowance again. If there are
// none, it forgets all.
func (s *senders) makeRoom(now time.Time) {
	if len(s.byPID) < maxSenders {
		return
	}
	for pid, one := range s.byPID {
		if one.datagrams.TokensAt(now) >= notifyBurst {
			delete(s.byPID, pid)
		}
	}
	if len(s.byPID) >= maxSenders {
		clear(s.byPID)
	}
}

func changesState(datagram []byte) bool {
	for _, word := range []string{"READY=1", "STOPPING=1"} {
		if bytes.HasPrefix(datagram, []byte(word)) || bytes.Contains(datagram, []byte("\n"+word)) {
			return true
		}
	}
	return false
}
