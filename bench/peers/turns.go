package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// turns goes through the peers once in each round, the other way round in every second one, and
// says on stderr how far it is. A peer that fails in its turn is named below the table; the
// others continue.
func turns[T labelled](ctx context.Context, k *kit, r *result, peers []T, turn func(T) error) error {
	began, done := time.Now(), 0
	for round := range k.plan.rounds {
		order := slices.Clone(peers)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, p := range order {
			fmt.Fprintf(os.Stderr, "%s: round %d of %d: %s%s\n", k.table, round+1, k.plan.rounds, p.label(),
				remaining(time.Since(began), done, k.plan.rounds*len(peers)))
			err := r.missing(p.label(), turn(p))
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if done++; err != nil {
				fmt.Fprintln(os.Stderr, "bench/peers:", err)
				addOnce(&r.Failed, p.label()+" ("+firstLine(err)+")")
			}
		}
	}
	return nil
}

// remaining says how long a table still takes, by the turns that are done.
func remaining(passed time.Duration, done, all int) string {
	if done == 0 {
		return ""
	}
	left := passed / time.Duration(done) * time.Duration(all-done)
	return fmt.Sprintf(" (%d of %d done, %s left)", done, all, left.Round(time.Second))
}
