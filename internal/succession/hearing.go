package succession

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Hearing waits until every signal that has reached this process was dealt with, or is in the
// channel: a signal on its way to the channel is visible nowhere.
type Hearing struct {
	Idle  chan struct{} // the reader of signals sends when it has dealt with what it received
	Ended chan struct{} // closed when the last reader of signals has ended
}

func NewHearing() Hearing {
	return Hearing{Idle: make(chan struct{}), Ended: make(chan struct{})}
}

// Settle waits for the signals that are on their way to the channel, and, while there is a reader,
// for those in the channel. The reader must not call it.
func (h Hearing) Settle(signals chan os.Signal) {
	const most = 100 // a flood of signals does not end
	delivered := make(chan os.Signal, 1)
	signal.Notify(delivered, unix.SIGHUP)
	signal.Stop(delivered) // returns when the runtime has put everything that it has into the channels
	for range most {
		taken := len(signals) == 0 // before the reader is asked, because it may still deal with a signal that it received
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
