package master

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// hearing tells when every signal that has reached this process was dealt with, or waits
// in the channel: on its way there it is seen by nothing.
type hearing struct {
	idle  chan struct{} // the reader of signals sends when it has dealt with what it took
	ended chan struct{} // closed when there is no reader any more, of several that followed each other
}

func newHearing() hearing {
	return hearing{idle: make(chan struct{}), ended: make(chan struct{})}
}

// settle waits for the signals that are on their way to the channel, and, while a reader
// takes them out of it, for those that are in it. It must not be called by the reader.
func (h hearing) settle(signals chan os.Signal) {
	const most = 100 // a flood does not end
	delivered := make(chan os.Signal, 1)
	signal.Notify(delivered, unix.SIGHUP)
	signal.Stop(delivered) // returns when the runtime has put all that it has into the channels
	for range most {
		taken := len(signals) == 0 // before the reader is asked: what it took it may still deal with
		select {
		case <-h.ended:
			return
		case <-h.idle:
		}
		if taken {
			return
		}
	}
}
