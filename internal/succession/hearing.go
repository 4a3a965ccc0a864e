package succession

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Hearing tells when every signal that has reached this process was dealt with, or waits
// in the channel: on its way there it is seen by nothing.
type Hearing struct {
	Idle  chan struct{} // the reader of signals sends when it has dealt with what it took
	Ended chan struct{} // closed when there is no reader any more, of several that followed each other
}

func NewHearing() Hearing {
	return Hearing{Idle: make(chan struct{}), Ended: make(chan struct{})}
}

// Settle waits for the signals that are on their way to the channel, and, while a reader
// takes them out of it, for those that are in it. It must not be called by the reader.
func (h Hearing) Settle(signals chan os.Signal) {
	const most = 100 // a flood does not end
	delivered := make(chan os.Signal, 1)
	signal.Notify(delivered, unix.SIGHUP)
	signal.Stop(delivered) // returns when the runtime has put all that it has into the channels
	for range most {
		taken := len(signals) == 0 // before the reader is asked: what it took it may still deal with
		select {
		case <-h.Ended:
			return
		case <-h.Idle:
		}
		if taken {
			return
		}
	}
}
