package master

import (
	"context"
	"os"
	"sync"
	"time"

	"relevo/internal/decide"
	"relevo/internal/hangup"
)

// loop owns what a master has to do and in which order. Everything else sends it messages; what
// takes time, or asks the pool, whose loop sends messages, too, is done outside, and sends its
// result. So it never blocks, and its state needs no lock.
type loop struct {
	*core
	*rolls
	*requests
	*replacement

	outside sync.WaitGroup // what was begun and has not sent its result
	quit    chan struct{}  // receives from end
	over    context.Context

	// Below: owned by the loop.
	agenda  decide.Agenda
	last    int // the highest number given
	asked   map[int]workAsked
	ended   map[int]rollEnded
	waits   map[int]waitAsked
	wanted  map[int]rollWanted
	setOver context.CancelFunc
	timer   *time.Timer // nil: nothing is to be tried again
	hears   bool        // signals
	dealing bool        // what was heard last is being done
	hangups []hangup.Meaning
	hushed  chan<- struct{} // closed when nothing is dealt with; nil: nobody waits for that
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

// note keeps what a number stands for.
func note[M message](l *loop, in map[int]M, m M) int {
	l.last++
	in[l.last] = m
	return l.last
}

// take returns what a number stood for.
func take[M message](from map[int]M, number int) M {
	m := from[number]
	delete(from, number)
	return m
}

// deal does outside of the loop what a signal asks for, and hears the next one afterwards.
func (l *loop) deal(do func(), stops stopKind) {
	l.dealing = true
	l.outside.Go(func() {
		do()
		l.box.post(dealt{stops})
	})
}

// afterThaw runs what was not done because another master seemed to go on, if this
// one does.
func (l *loop) afterThaw(do func()) {
	l.outside.Go(func() {
		l.succession.Await()
		do()
	})
}
