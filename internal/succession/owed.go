package succession

import (
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Owed is what signals have asked for and this master has not done yet. The next master is told.
type Owed struct {
	mu      sync.Mutex
	hangups int
	scales  []syscall.Signal
}

// Reload notes that a reload was requested.
func (o *Owed) Reload() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hangups++
}

// Reloads returns how many reloads were requested and have not begun.
func (o *Owed) Reloads() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.hangups
}

// ReloadsDone says that one reload answers n requests.
func (o *Owed) ReloadsDone(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hangups = max(0, o.hangups-n)
}

// Scale notes that one worker more or less was requested.
func (o *Owed) Scale(sig syscall.Signal) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.scales = append(o.scales, sig)
}

func (o *Owed) TakeScales() []syscall.Signal {
	o.mu.Lock()
	defer o.mu.Unlock()
	scales := o.scales
	o.scales = nil
	return scales
}

// Take returns the signals for everything that is owed. One reload does for several.
func (o *Owed) Take() []syscall.Signal {
	signals := o.TakeScales()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.hangups > 0 {
		signals = append(signals, unix.SIGHUP)
	}
	o.hangups = 0
	return signals
}
