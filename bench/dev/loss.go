package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"text/tabwriter"
	"time"
)

// loss saves again and again while clients that do not retry ask.
func (b *bench) loss(ctx context.Context) error {
	fmt.Printf("\n%d saves of an app that takes %s to warm up, a client on new connections without retry\n\n",
		b.plan.saves, b.plan.warm)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "tool\trequests\trefused\tbroken\tother\tsaves never served\tlongest time without an answer")
	for _, t := range b.tools() {
		if t.name == "air, default" || t.name == "wgo, default" || t.pkg != "" && !b.install(t.pkg) {
			continue
		}
		l, err := b.toolLoss(ctx, t)
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%s\n", t.name, l.asked, l.refused, l.broken, l.other, l.stuck,
			l.gap.Round(time.Millisecond))
	}
	return table.Flush()
}

func (b *bench) toolLoss(ctx context.Context, t tool) (*losses, error) {
	p, err := b.newProject("loss")
	if err != nil {
		return nil, err
	}
	r, err := b.start(t, p, b.plan.warm)
	if err != nil {
		return nil, err
	}
	defer r.stop()
	if err := r.await(ctx, "v0"); err != nil {
		return nil, err
	}
	var l losses
	loading, stop := context.WithCancel(ctx)
	var clients sync.WaitGroup
	clients.Go(func() { r.load(loading, &l) })
	for i := range b.plan.saves {
		version := fmt.Sprintf("v%d", i+1)
		if err = p.save(version); err == nil {
			err = r.await(ctx, version)
		}
		if errors.Is(err, errStuck) {
			l.stuck++
		} else if err != nil {
			break
		}
		time.Sleep(pause)
	}
	stop()
	clients.Wait()
	if errors.Is(err, errStuck) {
		err = nil
	}
	return &l, err
}
