package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// interruption ends a command's work at a signal, so that the command can still report how far it
// came.
type interruption struct {
	signals chan os.Signal
	by      os.Signal // set before the context ends
	done    chan struct{}
}

// repeated is the time in which the same signal counts as one: timeout(1) sends it to the process
// and to its group.
const repeated = 500 * time.Millisecond

// interruptible returns a context that ends at SIGINT or SIGTERM. A signal that arrives later than
// again after it has its usual effect.
func interruptible(ctx context.Context, again time.Duration) (context.Context, *interruption) {
	ctx, cancel := context.WithCancel(ctx)
	i := &interruption{signals: make(chan os.Signal, 1), done: make(chan struct{})}
	signal.Notify(i.signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer cancel()
		select {
		case i.by = <-i.signals:
			time.AfterFunc(again, func() { signal.Stop(i.signals) })
		case <-i.done:
		}
	}()
	return ctx, i
}

// end restores the usual effect of the signals, unless one has just arrived.
func (i *interruption) end(ctx context.Context) {
	if ctx.Err() == nil {
		signal.Stop(i.signals)
	}
	close(i.done)
}

// exitCode is the shell's code for a command that a signal has ended.
func (i *interruption) exitCode() int {
	if sig, ok := i.by.(syscall.Signal); ok {
		return 128 + int(sig)
	}
	return 0
}
