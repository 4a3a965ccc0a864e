package pool_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"relevo/pool"
	"relevo/pool/machine"
	"relevo/pool/pooltest"
)

// TestTally: each start and each end is counted once, with its cause, and the next master continues
// to count.
func TestTally(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old := pooltest.NewRelease("v1", pooltest.Polite)
		r := start(t, 2, old, func(o *pool.Options) { o.Patience.Watchdog = time.Hour })
		if err := r.Recycle("1", machine.CauseMemory, "uses 512 MiB"); err != nil {
			t.Fatal(err)
		}
		pass(0)
		old.Process(2).Die(syscall.SIGSEGV)
		pass(time.Minute)
		old.Process(3).Hang("said WATCHDOG=trigger")
		pass(time.Minute)
		old.Process(4).Die(syscall.SIGUSR1)
		pass(time.Minute)
		old.Process(5).End(pool.Exited{Status: pool.ExitStatus{Signal: syscall.SIGKILL, OutOfMemory: true}})
		pass(time.Minute)
		r.Resize(func(now int) (int, error) { return now + 1, nil })
		pass(0)
		r.Publish(pool.Event{Kind: pool.KindHealed, Addresses: []string{":80"}})
		pass(0)
		r.mustRoll(r.release("v2", pooltest.Polite))
		pass(0)
		byClock, err := r.BeginRollFor(machine.CauseCron, r.release("v3", pooltest.Polite))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := byClock.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantEqual(t, "the cause of the last start", r.last(pool.KindFork).Cause, machine.CauseCron)
		before := r.status().Counts
		wantEqual(t, "starts", before.Starts, "map[cron:3 first:2 memory:1 respawn:3 roll:3 scale:1 watchdog:1]")
		wantEqual(t, "deaths", before.Deaths, "map[asked:7 crash:1 hang:1 oom:1 signal:1]")
		wantEqual(t, "rolls", before.Rolls, "map[ok:2]")
		wantEqual(t, "healed", before.Healed, "map[:80:1]")
		wantEqual(t, "times ready", sum(before.ReadyTime.Counts), 14)
		wantEqual(t, "last good roll", before.LastGoodRoll.IsZero(), false)

		next := r.succeed()
		after := next.status().Counts
		wantEqual(t, "adopted", after.Adopted, 3)
		after.Adopted = 0
		wantEqual(t, "after a succession", fmt.Sprint(after), fmt.Sprint(before))
	})
}

func sum(counts []int) (total int) {
	for _, n := range counts {
		total += n
	}
	return total
}
