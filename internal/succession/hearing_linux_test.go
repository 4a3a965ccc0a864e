package succession

import (
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// TestHearingSettles: after Settle the reader has dealt with all signals that have reached
// the process.
func TestHearingSettles(t *testing.T) {
	signals, h := make(chan os.Signal, 16), NewHearing()
	signal.Notify(signals, unix.SIGWINCH) // which does nothing where it is not taken
	quit := make(chan struct{})
	var dealt atomic.Int64
	go func() {
		defer close(h.Ended)
		for {
			select {
			case <-quit:
				return
			case h.Idle <- struct{}{}:
			case <-signals:
				for range 10 {
					runtime.Gosched()
				}
				dealt.Add(1)
			}
		}
	}()
	runtime.LockOSThread() // which the signal is for: it has come when Tgkill returns
	defer runtime.UnlockOSThread()
	for sent := int64(1); sent <= 1000; sent++ {
		if err := unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGWINCH); err != nil {
			t.Fatal(err)
		}
		h.Settle(signals)
		if dealt.Load() != sent || len(signals) > 0 {
			t.Fatalf("%d of %d signals have been dealt with, %d wait", dealt.Load(), sent, len(signals))
		}
	}
	signal.Stop(signals)
	close(quit)
	<-h.Ended
	h.Settle(signals) // without a reader there is nothing to wait for
}
