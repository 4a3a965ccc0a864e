package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// interruption ends what a command does when it is asked to end, so that the command can
// tell how far it came.
type interruption struct {
	signals chan os.Signal
	by      os.Signal // valid when the context has ended
	done    chan struct{}
}

// repeated is how long the same signal may come again and means nothing more: timeout(1)
// sends it to a process and to its group.
const repeated = 500 * time.Millisecond

// interruptible returns a context that ends at SIGINT or SIGTERM. One that comes later than
// again has its usual effect.
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

// end gives the signals their usual effect back, unless one has just come.
func (i *interruption) end(ctx context.Context) {
	if ctx.Err() == nil {
		signal.Stop(i.signals)
	}
	close(i.done)
}

// exitCode is that of a shell for a command that a signal has ended.
func (i *interruption) exitCode() int {
	if sig, ok := i.by.(syscall.Signal); ok {
		return 128 + int(sig)
	}
	return 0
}
