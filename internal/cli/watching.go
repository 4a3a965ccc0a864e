package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// oftenLooked is the interval of --watch.
const oftenLooked = time.Second

// watching looks repeatedly, until Ctrl-C. On a terminal each look overwrites the previous one.
func (c *cli) watching(ctx context.Context, asJSON bool, look func(context.Context) error) error {
	ctx, end := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer end()
	looks := time.NewTicker(oftenLooked)
	defer looks.Stop()
	for {
		if isTerminal(c.stdout) && !asJSON {
			c.stdout.WriteString("\x1b[H\x1b[2J")
		}
		if err := look(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-looks.C:
		case <-ctx.Done():
			return nil
		}
	}
}
