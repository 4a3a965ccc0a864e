package ipc

import (
	"bytes"
	"time"
)

// What a worker may say on its channel. What is over it is not lost, only read
// later: the worker's writes wait.
const (
	channelRate  = 2000 // messages a second
	channelBurst = 5000
	perToken     = 4096 // bytes that count as one message more
)

// throttle slows down the reading of a channel.
type throttle struct {
	bucket bucket
	flood  flood
	tell   func(Flood)
}

// pace waits where the peer says more than it may, but not longer than until
// done.
func (t *throttle) pace(m Message, done <-chan struct{}) {
	now := time.Now()
	wait := t.bucket.spend(now, 1+float64(size(m))/perToken)
	if t.bucket.tokens < 0 {
		if told, due := t.flood.add(now); due {
			t.tell(told)
		}
	}
	if wait == 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-done:
	}
}

func size(m Message) int {
	switch m := m.(type) {
	case App:
		return len(m.Data)
	case Status:
		return len(m.Text)
	}
	return 0
}

// What one process may send to the notify socket. What is over it is dropped,
// save the words that change a worker's state, which have an allowance of their
// own.
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
	datagrams, words bucket
	flood            flood
}

// admit says whether a datagram may be looked at.
func (s *senders) admit(from Sender, datagram []byte, now time.Time) bool {
	one := s.byPID[from.PID]
	if one == nil {
		s.makeRoom(now)
		one = &sender{
			datagrams: newBucket(notifyRate, notifyBurst, now),
			words:     newBucket(wordRate, wordBurst, now),
		}
		s.byPID[from.PID] = one
	}
	if one.datagrams.take(now) || changesState(datagram) && one.words.take(now) {
		return true
	}
	if told, due := one.flood.add(now); due && s.tell != nil {
		s.tell(from, told)
	}
	return false
}

// makeRoom forgets the silent, whose allowance is whole again, and, if all are
// loud, everybody.
func (s *senders) makeRoom(now time.Time) {
	if len(s.byPID) < maxSenders {
		return
	}
	for pid, one := range s.byPID {
		if now.Sub(one.datagrams.last) > notifyBurst/notifyRate*time.Second {
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
