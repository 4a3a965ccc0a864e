package cli

import (
	"context"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// TestInterruptible: a signal that arrives twice, as timeout(1) sends it, ends only the context.
func TestInterruptible(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		ctx, i := interruptible(context.Background(), time.Hour)
		syscall.Kill(syscall.Getpid(), sig)
		<-ctx.Done()
		syscall.Kill(syscall.Getpid(), sig) // without the protection this ends the test
		<-i.signals
		if code := i.exitCode(); code != 128+int(sig) {
			t.Errorf("%s: exit code %d", sig, code)
		}
		i.end(ctx)
		signal.Stop(i.signals)
	}
}
