package master

import (
	"errors"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"relevo/internal/control"
	"relevo/pool"
)

// owed is what signals have asked for that this master has not come to: whoever
// goes on after it is told.
type owed struct {
	mu      sync.Mutex
	hangups int
	scales  []syscall.Signal
}

// reload notes that a reload was asked for.
func (o *owed) reload() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hangups++
}

// reloads is how often a reload was asked for and not begun.
func (o *owed) reloads() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.hangups
}

// reloadsDone says that one reload answers n requests.
func (o *owed) reloadsDone(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hangups = max(0, o.hangups-n)
}

// scale notes that a worker more or less was asked for.
func (o *owed) scale(sig syscall.Signal) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.scales = append(o.scales, sig)
}

func (o *owed) takeScales() []syscall.Signal {
	o.mu.Lock()
	defer o.mu.Unlock()
	scales := o.scales
	o.scales = nil
	return scales
}

// take returns the signals of all that is owed. One reload does for several.
func (o *owed) take() []syscall.Signal {
	signals := o.takeScales()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.hangups > 0 {
		signals = append(signals, unix.SIGHUP)
	}
	o.hangups = 0
	return signals
}

// handedOver says whether something was not done because another master goes on.
func handedOver(err error) bool {
	coded := new(control.Error)
	return errors.Is(err, pool.ErrHandedOver) || errors.As(err, &coded) && coded.HandedOver != nil
}
