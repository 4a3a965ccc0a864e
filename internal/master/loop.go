package master

import (
	"context"
	"os"
	"sync"
	"time"

	"relevo/internal/decide"
	"relevo/internal/hangup"
)

// loop owns what a master has to do, and in which order. Everything else sends it messages. It
// never blocks, and its state needs no lock: whatever takes time, or asks the pool (whose loop
// sends messages, too), is done in a goroutine, which sends its result.
type loop struct {
	*core
	*rolls
	*requests
	*replacement

	outside sync.WaitGroup // work that has begun and has not sent its result
	quit    chan struct{}  // receives from end
	over    context.Context

	// Below: owned by the loop.
	agenda  decide.Agenda
	last    int // the highest number given so far
	asked   map[int]workAsked
	ended   map[int]rollEnded
	waits   map[int]waitAsked
	wanted  map[int]rollWanted
	setOver context.CancelFunc
	timer   *time.Timer // nil: no refused roll is to be tried again
	hears   bool        // signals
	dealing bool        // a signal is being dealt with
	hangups []hangup.Meaning
	hushed  chan<- struct{} // closed when no signal is dealt with any more; nil: no caller waits for that
	left    <-chan struct{} // closed when the terminal has gone
	stops   stops
	ignored map[os.Signal]bool
}

func newLoop(c *core, rs *rolls, q *requests, p *replacement) *loop {
	l := &loop{
		core: c, rolls: rs, requests: q, replacement: p, quit: make(chan struct{}),
		asked: map[int]workAsked{}, ended: map[int]rollEnded{}, waits: map[int]waitAsked{},
		wanted: map[int]rollWanted{}, ignored: map[os.Signal]bool{},
	}
	l.over, l.setOver = context.WithCancel(context.Background())
	return l
}

// end returns when the loop has ended.
func (l *loop) end() {
	select {
	case l.quit <- struct{}{}:
		<-l.box.done
	case <-l.box.done:
	}
}

// note stores a message under a new number.
func note[M message](l *loop, in map[int]M, m M) int {
	l.last++
	in[l.last] = m
	return l.last
}

// take removes a message and returns it.
func take[M message](from map[int]M, number int) M {
	m := from[number]
	delete(from, number)
	return m
}

// deal does in a goroutine what a signal asks for. No other signal is heard until it is done.
func (l *loop) deal(do func(), stops stopKind) {
	l.dealing = true
	l.outside.Go(func() {
		do()
		l.box.post(dealt{stops})
	})
}

// afterThaw runs do once no other master is about to take over, if this master keeps running.
func (l *loop) afterThaw(do func()) {
	l.outside.Go(func() {
		l.succession.Await()
		do()
	})
}
